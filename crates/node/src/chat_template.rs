//! Messages to a prompt by the model's chat template. JSON crosses as text, once per conversation; long conversations are
//! rendered off the JavaScript thread.

use std::path::Path;
use std::sync::Arc;

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Result, Task};
use napi_derive::napi;
use quire_text::{TemplateSources, TextError, Timestamp};
use serde_json::Value;

use crate::failure::{Failure, Outcome, outcome};
use crate::files::text_files;
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
    fn to_options(&self) -> std::result::Result<quire_text::RenderOptions, Failure> {
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
        let sources = TemplateSources::from_files(text_files(), Path::new(&directory))?;
        Ok::<_, TextError>(sources.select(None, has_tools)?.to_owned())
    })
}

/// A compiled chat template.
#[napi]
pub struct ChatTemplate {
    inner: Arc<quire_text::ChatTemplate>,
}

#[napi]
impl ChatTemplate {
    /// Compiles `source`; the tokenizer gives the special tokens that it may name.
    #[napi]
    pub fn create(tokenizer: &Tokenizer, source: String) -> Outcome<ChatTemplate> {
        outcome(|| {
            let inner = quire_text::ChatTemplate::new(&source, tokenizer.inner.special_tokens())?;
            Ok::<_, TextError>(Self { inner: Arc::new(inner) })
        })
    }

    /// The prompt of `messages`, a JSON list.
    #[napi]
    pub fn render(&self, messages: String, options: NativeRenderOptions) -> Outcome<String> {
        outcome(|| rendered(&self.inner, &messages, &options))
    }

    /// The same, off the JavaScript thread.
    #[napi(ts_return_type = "Promise<string | Failure>")]
    pub fn render_long(&self, messages: String, options: NativeRenderOptions) -> AsyncTask<RenderChat> {
        AsyncTask::new(RenderChat { template: Arc::clone(&self.inner), messages, options })
    }
}

pub struct RenderChat {
    template: Arc<quire_text::ChatTemplate>,
    messages: String,
    options: NativeRenderOptions,
}

impl Task for RenderChat {
    type Output = Outcome<String>;
    type JsValue = Outcome<String>;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(outcome(|| rendered(&self.template, &self.messages, &self.options)))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}

fn rendered(
    template: &quire_text::ChatTemplate,
    messages: &str,
    options: &NativeRenderOptions,
) -> std::result::Result<String, Failure> {
    Ok(template.render(&parse::<Value>(messages)?, &options.to_options()?)?)
}

fn parse<T: serde::de::DeserializeOwned>(json: &str) -> std::result::Result<T, Failure> {
    serde_json::from_str(json).map_err(|error| Failure::new("ERR_CHAT_TEMPLATE", error, Value::Null))
}
