//! Messages to a prompt, by the model's chat template. Reads no file and no clock.

use minijinja::{Environment, Value};
use serde_json::{Map, Value as Json};

use crate::error::TextError;
use crate::special_tokens::SpecialTokens;
use crate::template;

/// Marks where the final message ends; no template prints it by itself.
const CONTINUE_MARK: &str = "QUIRE_CONTINUE_FINAL_MESSAGE ";

/// A moment for templates that print the date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    /// Seconds since 1970-01-01 UTC.
    pub unix_seconds: i64,
    /// Minutes that local time is ahead of UTC.
    pub utc_offset_minutes: i32,
}

/// What a rendering takes beside the messages.
#[derive(Debug, Clone, Default)]
pub struct RenderOptions {
    /// Tools in JSON-schema form; `None` when there are none.
    pub tools: Option<Json>,
    /// Documents for retrieval.
    pub documents: Option<Json>,
    /// Ends the prompt with the words that begin the assistant's answer.
    pub add_generation_prompt: bool,
    /// Ends the prompt inside the final message, so that the model goes on with it.
    pub continue_final_message: bool,
    /// Further names for the template; they win over all others.
    pub kwargs: Map<String, Json>,
    /// What `strftime_now` prints. `None`: the template has no `strftime_now`.
    pub now: Option<Timestamp>,
}

/// A compiled chat template. Rendering takes `&self` and may happen on many threads at once.
#[derive(Debug)]
pub struct ChatTemplate {
    source: String,
    environment: Environment<'static>,
    tokens: SpecialTokens,
}

impl ChatTemplate {
    /// Compiles a template; `tokens` are the names `bos_token`, `eos_token`, ... in it.
    ///
    /// # Errors
    /// `TemplateSyntax`, `TooLarge`.
    pub fn new(source: &str, tokens: &SpecialTokens) -> Result<Self, TextError> {
        let limit_bytes = crate::tokenizer_limits::MAX_TEMPLATE_BYTES;
        if source.len() as u64 > limit_bytes {
            let file = "the chat template".to_owned();
            return Err(TextError::TooLarge { file, num_bytes: source.len() as u64, limit_bytes });
        }
        Ok(Self { source: source.to_owned(), environment: template::compile(source)?, tokens: tokens.clone() })
    }

    /// The template's source.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders `messages`, a list of objects with `role` and `content`, to the prompt's text.
    ///
    /// # Errors
    /// `TemplateRaised` when the template refuses the messages, `TemplateRender`, `TemplateLimit`,
    /// `ContinueFinalMessage`.
    pub fn render(&self, messages: &Json, options: &RenderOptions) -> Result<String, TextError> {
        if !options.continue_final_message {
            return self.render_text(messages, options);
        }
        if options.add_generation_prompt {
            let reason = "it cannot be combined with add_generation_prompt";
            return Err(TextError::ContinueFinalMessage { reason });
        }
        let mut marked = messages.clone();
        let text = final_text(&mut marked)
            .ok_or(TextError::ContinueFinalMessage { reason: "the final message has no text" })?;
        let original = text.clone();
        text.push_str(CONTINUE_MARK);
        let mut prompt = self.render_text(&marked, options)?;
        let mark = prompt.rfind(CONTINUE_MARK.trim_end());
        let (Some(mark), true) = (mark, prompt.contains(original.trim())) else {
            let reason = "the final message does not appear in the rendered prompt";
            return Err(TextError::ContinueFinalMessage { reason });
        };
        let keeps_spaces = prompt[mark..].starts_with(CONTINUE_MARK);
        prompt.truncate(mark);
        if !keeps_spaces {
            prompt.truncate(prompt.trim_end().len());
        }
        Ok(prompt)
    }

    fn render_text(&self, messages: &Json, options: &RenderOptions) -> Result<String, TextError> {
        let mut context: Vec<(String, Value)> = Vec::new();
        for (name, text) in &self.tokens.named {
            context.push((name.clone(), Value::from(text.as_str())));
        }
        if !self.tokens.additional.is_empty() {
            context.push(("additional_special_tokens".to_owned(), Value::from(self.tokens.additional.clone())));
        }
        let optional = |value: &Option<Json>| value.as_ref().map_or(Value::from(()), Value::from_serialize);
        context.push(("messages".to_owned(), Value::from_serialize(messages)));
        context.push(("tools".to_owned(), optional(&options.tools)));
        context.push(("documents".to_owned(), optional(&options.documents)));
        context.push(("add_generation_prompt".to_owned(), Value::from(options.add_generation_prompt)));
        if let Some(now) = options.now {
            let function = Value::from_function(move |format: &str| template::strftime(now, format));
            context.push(("strftime_now".to_owned(), function));
        }
        for (name, value) in &options.kwargs {
            context.push((name.clone(), Value::from_serialize(value)));
        }
        template::render(&self.environment, context.into_iter().collect())
    }
}

/// The text of the last message: its content, or the last text part of it.
fn final_text(messages: &mut Json) -> Option<&mut String> {
    match messages.as_array_mut()?.last_mut()?.get_mut("content")? {
        Json::String(text) => Some(text),
        Json::Array(parts) => parts.iter_mut().rev().find_map(|part| match part.get_mut("text") {
            Some(Json::String(text)) => Some(text),
            _ => None,
        }),
        _ => None,
    }
}
