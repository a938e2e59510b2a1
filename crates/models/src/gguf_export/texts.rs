//! The files of texts beside a checkpoint: its vocabulary, special tokens and chat templates.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use quire_gguf::{GgufProblem, TokenizerFiles, write_tokenizer};
use serde_json::Value;

use super::{CheckpointSource, ExportError};

/// More than any real file has.
const MAX_BYTES: u64 = 256 << 20;
const DEFAULT: &str = "default";

/// Adds the texts of the folder that `source` was opened from.
///
/// # Errors
/// `tokenizer.json` is not there, a file can't be read or is not what it should be, or the vocabulary has no form in the
/// format.
pub(super) fn add_texts(source: &mut CheckpointSource) -> Result<(), ExportError> {
    let directory = source.directory();
    let folder = directory.path.clone();
    let path = folder.join("tokenizer.json");
    let tokenizer = object(&path)?.ok_or_else(|| text_error(&path, ErrorKind::NotFound, "the file is missing"))?;
    let config = object(&folder.join("tokenizer_config.json"))?.unwrap_or(Value::Null);
    let id = |id: &i32| usize::try_from(*id).ok();
    let model = &source.config;
    let generation = &directory.generation;
    let files = TokenizerFiles {
        templates: templates(&folder, &config)?,
        tokenizer,
        config,
        vocab_size: model.vocab_size,
        bos_token_id: model.bos_token_id.as_ref().and_then(id),
        end_token_ids: generation.eos_token_ids.iter().flatten().chain(&model.eos_token_ids).filter_map(id).collect(),
        pad_token_id: model.pad_token_id.as_ref().and_then(id),
    };
    write_tokenizer(source.writer(), &files).map_err(|problem: GgufProblem| ExportError::Tokenizer { path, problem })
}

fn text_error(path: &Path, kind: ErrorKind, reason: &str) -> ExportError {
    ExportError::Text { path: path.to_path_buf(), reason: io::Error::new(kind, reason.to_string()) }
}

/// The text of a file, if it is there.
fn text(path: &Path) -> Result<Option<String>, ExportError> {
    let failed = |reason: io::Error| ExportError::Text { path: path.to_path_buf(), reason };
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(failed)?,
    };
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(text_error(path, ErrorKind::FileTooLarge, "it has more than 256 MiB"));
    }
    Ok(Some(text))
}

/// The JSON object of a file, if it is there.
fn object(path: &Path) -> Result<Option<Value>, ExportError> {
    let Some(text) = text(path)? else { return Ok(None) };
    match serde_json::from_str::<Value>(&text) {
        Ok(value) if value.is_object() => Ok(Some(value)),
        Ok(_) => Err(text_error(path, ErrorKind::InvalidData, "it is not a JSON object")),
        Err(error) => Err(text_error(path, ErrorKind::InvalidData, &error.to_string())),
    }
}

/// The chat templates by name, from all places where checkpoints keep them; a later place wins.
fn templates(folder: &Path, config: &Value) -> Result<Vec<(String, String)>, ExportError> {
    let mut found = Vec::new();
    of_config(config, &mut found);
    if let Some(config) = object(&folder.join("chat_template.json"))? {
        of_config(&config, &mut found);
    }
    if let Some(template) = text(&folder.join("chat_template.jinja"))? {
        put(&mut found, DEFAULT, template);
    }
    let Ok(entries) = std::fs::read_dir(folder.join("additional_chat_templates")) else { return Ok(found) };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "jinja")) {
        if let (Some(name), Some(template)) = (path.file_stem(), text(path)?) {
            put(&mut found, &name.to_string_lossy(), template);
        }
    }
    Ok(found)
}

fn of_config(config: &Value, found: &mut Vec<(String, String)>) {
    let template = &config["chat_template"];
    if let Some(template) = template.as_str() {
        put(found, DEFAULT, template.to_string());
    }
    for entry in template.as_array().into_iter().flatten() {
        if let (Some(name), Some(template)) = (entry["name"].as_str(), entry["template"].as_str()) {
            put(found, name, template.to_string());
        }
    }
}

fn put(found: &mut Vec<(String, String)>, name: &str, template: String) {
    found.retain(|(known, _)| known != name);
    found.push((name.to_string(), template));
}
