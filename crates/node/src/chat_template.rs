//! Messages to a prompt by the model's chat template. JSON crosses as text, once per conversation.

use std::path::Path;

use napi_derive::napi;
use quire_text::{TemplateSources, TextError, Timestamp};
use serde_json::Value;

use crate::failure::{Failure, Outcome, outcome};
use crate::tokenizer::Tokenizer;

/// What a rendering takes beside the messages; lists and objects as JSON.
#[napi(object)]
pub struct NativeRenderOptions {
    /// End the prompt with the beginning of the assistant's turn.
    pub add_generation_prompt: bool,
    /// Leave the final message open.
    pub continue_final_message: bool,
    /// JSON of a list.
    pub tools: Option<String>,
    /// JSON of a list.
    pub documents: Option<String>,
    /// JSON of an object: further variables of the template.
    pub kwargs: Option<String>,
    /// Milliseconds since 1970-01-01 UTC, for templates that print the date.
    pub now_ms: f64,
    /// Minutes that local time is ahead of UTC.
    pub utc_offset_minutes: i32,
}

impl NativeRenderOptions {
    fn to_options(&self) -> Result<quire_text::RenderOptions, Failure> {
        Ok(quire_text::RenderOptions {
            tools: self.tools.as_deref().map(parse).transpose()?,
            documents: self.documents.as_deref().map(parse).transpose()?,
            add_generation_prompt: self.add_generation_prompt,
            continue_final_message: self.continue_final_message,
            kwargs: self.kwargs.as_deref().map(parse).transpose()?.unwrap_or_default(),
            now: Some(Timestamp {
                unix_seconds: (self.now_ms / 1000.0) as i64,
                utc_offset_minutes: self.utc_offset_minutes,
            }),
        })
    }
}

/// The source of the template that a model directory has for conversations with or without tools.
#[napi]
pub fn chat_template_source(directory: String, has_tools: bool) -> Outcome<String> {
    outcome(|| {
        let sources = TemplateSources::from_directory(Path::new(&directory))?;
        Ok::<_, TextError>(sources.select(None, has_tools)?.to_owned())
    })
}

/// A compiled chat template.
#[napi]
pub struct ChatTemplate {
    inner: quire_text::ChatTemplate,
}

#[napi]
impl ChatTemplate {
    /// Compiles `source`; the tokenizer gives the special tokens that it may name.
    #[napi]
    pub fn create(tokenizer: &Tokenizer, source: String) -> Outcome<ChatTemplate> {
        outcome(|| quire_text::ChatTemplate::new(&source, tokenizer.inner.special_tokens()).map(|inner| Self { inner }))
    }

    /// The prompt of `messages`, a JSON list.
    #[napi]
    pub fn render(&self, messages: String, options: NativeRenderOptions) -> Outcome<String> {
        outcome(|| Ok::<_, Failure>(self.inner.render(&parse::<Value>(&messages)?, &options.to_options()?)?))
    }
}

fn parse<T: serde::de::DeserializeOwned>(json: &str) -> Result<T, Failure> {
    serde_json::from_str(json).map_err(|error| Failure::new("ERR_CHAT_TEMPLATE", error, Value::Null))
}
