//! Where a model keeps its chat templates, and which one is meant.

use std::path::Path;

use serde_json::Value;

use crate::error::TextError;
use crate::gguf_texts;
use crate::special_tokens::parse_object;
use crate::text_files::{FileSystem, TextFiles, read_text};
use crate::tokenizer_limits::{MAX_CONFIG_BYTES, MAX_TEMPLATE_BYTES};

const DEFAULT: &str = "default";
const FOLDER: &str = "additional_chat_templates";

/// The chat templates of a model by name, in the order in which they were found. A model with one template calls it
/// `default`.
#[derive(Debug, Clone, Default)]
pub struct TemplateSources {
    templates: Vec<(String, String)>,
}

impl TemplateSources {
    /// Reads `chat_template` of a `tokenizer_config.json`: one text, or a list of `{ name, template }`.
    ///
    /// # Errors
    /// `InvalidConfig`.
    pub fn from_config(tokenizer_config: &str) -> Result<Self, TextError> {
        let file = "tokenizer_config.json";
        let config = parse_object(file, tokenizer_config)?;
        let mut sources = Self::default();
        match config.get("chat_template") {
            None | Some(Value::Null) => {}
            Some(Value::String(source)) => sources.set(DEFAULT, source),
            Some(Value::Array(list)) => {
                for entry in list {
                    let field = |key: &str| entry.get(key).and_then(Value::as_str);
                    let (Some(name), Some(source)) = (field("name"), field("template")) else {
                        let reason = "chat_template has an entry without name or template".to_owned();
                        return Err(TextError::InvalidConfig { file, reason });
                    };
                    sources.set(name, source);
                }
            }
            Some(_) => {
                let reason = "chat_template is neither a text nor a list".to_owned();
                return Err(TextError::InvalidConfig { file, reason });
            }
        }
        Ok(sources)
    }

    /// Reads a model directory: `tokenizer_config.json`, then `chat_template.json`, `chat_template.jinja` and
    /// `additional_chat_templates/*.jinja`; a later place wins. `directory` may be a GGUF file instead.
    ///
    /// # Errors
    /// `Read`, `TooLarge`, `InvalidConfig`.
    pub fn from_directory(directory: &Path) -> Result<Self, TextError> {
        Self::from_files(&FileSystem, directory)
    }

    /// As `from_directory`, of `files`.
    ///
    /// # Errors
    /// As there.
    pub fn from_files(files: &dyn TextFiles, directory: &Path) -> Result<Self, TextError> {
        if let Some(metadata) = gguf_texts::read(files, directory)? {
            return Self::from_config(&gguf_texts::tokenizer_config(&metadata, directory)?);
        }
        let config = read_text(files, &directory.join("tokenizer_config.json"), MAX_CONFIG_BYTES)?;
        let mut sources = Self::from_config(config.as_deref().unwrap_or("{}"))?;
        if let Some(text) = read_text(files, &directory.join("chat_template.json"), MAX_CONFIG_BYTES)? {
            for (name, source) in Self::from_config(&text)?.templates {
                sources.set(&name, &source);
            }
        }
        if let Some(source) = read_text(files, &directory.join("chat_template.jinja"), MAX_TEMPLATE_BYTES)? {
            sources.set(DEFAULT, &source);
        }
        let folder = directory.join(FOLDER);
        let mut paths = Vec::new();
        match files.list(&folder) {
            Ok(entries) => paths.extend(entries),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(reason) => return Err(TextError::Read { path: folder, reason }),
        }
        paths.sort();
        for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "jinja")) {
            if let (Some(name), Some(source)) = (path.file_stem(), read_text(files, path, MAX_TEMPLATE_BYTES)?) {
                sources.set(&name.to_string_lossy(), &source);
            }
        }
        Ok(sources)
    }

    fn set(&mut self, name: &str, source: &str) {
        self.templates.retain(|(existing, _)| existing != name);
        self.templates.push((name.to_owned(), source.to_owned()));
    }

    /// The names of the templates.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.templates.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The template that `name` means; without a name `tool_use` when there are tools and such a template, else
    /// `default`.
    ///
    /// # Errors
    /// `NoChatTemplate`.
    pub fn select(&self, name: Option<&str>, has_tools: bool) -> Result<&str, TextError> {
        let find = |wanted: &str| {
            self.templates.iter().find(|(existing, _)| existing == wanted).map(|(_, source)| source.as_str())
        };
        let found = match name {
            Some(name) => find(name),
            None => has_tools.then(|| find("tool_use")).flatten().or_else(|| find(DEFAULT)),
        };
        found.ok_or_else(|| TextError::NoChatTemplate {
            name: name.map(str::to_owned),
            available: self.names().into_iter().map(str::to_owned).collect(),
        })
    }
}
