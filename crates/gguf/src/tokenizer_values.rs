//! `tokenizer.json` and `tokenizer_config.json` as values of a file: the other way round of `hf_tokenizer`.

use std::collections::HashMap;

use serde_json::Value;

use crate::pre_tokenizers::{PRE_KEY, pre_tokenizer_name, supported_names};
use crate::token_kinds::ListedTokens;
use crate::vocabulary::Vocabulary;
use crate::{GgufProblem, GgufWriter, MetadataValue, sentence_pieces};

const MODEL_KEY: &str = "tokenizer.ggml.model";

/// What a checkpoint says of its texts.
pub struct TokenizerFiles {
    /// `tokenizer.json`.
    pub tokenizer: Value,
    /// `tokenizer_config.json`; null where there is none.
    pub config: Value,
    /// Chat templates by name; `default` is the one that is meant where nobody names another.
    pub templates: Vec<(String, String)>,
    /// Rows of the embedding.
    pub vocab_size: usize,
    /// The token that texts begin with, where `tokenizer_config.json` names none.
    pub bos_token_id: Option<usize>,
    /// Tokens that end an answer, where `tokenizer_config.json` names none or not all.
    pub end_token_ids: Vec<usize>,
    /// The token that fills up, where `tokenizer_config.json` names none.
    pub pad_token_id: Option<usize>,
}

/// Writes the vocabulary, its special tokens and the chat templates.
///
/// # Errors
/// [`GgufProblem::UnsupportedTokenizer`]: files have no name for this kind of vocabulary or its splitting.
pub fn write_tokenizer(writer: &mut GgufWriter, files: &TokenizerFiles) -> Result<(), GgufProblem> {
    let TokenizerFiles { tokenizer, .. } = files;
    let model = &tokenizer["model"];
    let tokens = ListedTokens::of(tokenizer, files.vocab_size);
    let unsupported = |key: &'static str, found: &str, supported: Vec<&'static str>| {
        Err(GgufProblem::UnsupportedTokenizer { key, found: found.to_string(), supported })
    };
    // Older files leave the type out where there are merges.
    let kind = model["type"].as_str().or_else(|| model.get("merges").map(|_| "BPE")).unwrap_or("unknown");
    let merges: Vec<[&str; 2]> = model["merges"].as_array().into_iter().flatten().filter_map(merge).collect();
    if kind != "BPE" {
        return unsupported(MODEL_KEY, kind, vec!["BPE"]);
    }
    let text = |text: &str| MetadataValue::Text(text.to_string());
    if model["byte_fallback"] == true {
        writer.value(MODEL_KEY, &text("llama")).value(PRE_KEY, &text("default"));
        writer.value("tokenizer.ggml.tokens", &MetadataValue::Texts(tokens.texts.clone()));
        let Some(scores) = scores(&tokens, &merges) else {
            return unsupported("tokenizer.ggml.scores", "merges that no scores have", vec!["SentencePiece's"]);
        };
        writer.value("tokenizer.ggml.scores", &MetadataValue::Floats(scores));
        writer.value("tokenizer.ggml.add_space_prefix", &MetadataValue::Bool(prefixes_space(tokenizer)));
    } else {
        let ignores_merges = model["ignore_merges"] == true;
        let name = pre_tokenizer_name(&tokenizer["normalizer"], &tokenizer["pre_tokenizer"], ignores_merges);
        let Some(name) = name else { return unsupported(PRE_KEY, "none that has a name", supported_names()) };
        writer.value(MODEL_KEY, &text("gpt2")).value(PRE_KEY, &text(name));
        writer.value("tokenizer.ggml.tokens", &MetadataValue::Texts(tokens.texts.clone()));
        let merges = merges.iter().map(|[left, right]| format!("{left} {right}")).collect();
        writer.value("tokenizer.ggml.merges", &MetadataValue::Texts(merges));
    }
    writer.value("tokenizer.ggml.token_type", &MetadataValue::Integers(tokens.kinds.clone()));
    write_special(writer, files, &tokens);
    for (name, template) in &files.templates {
        let key = if name == "default" { String::new() } else { format!(".{name}") };
        writer.value(&format!("tokenizer.chat_template{key}"), &text(template));
    }
    Ok(())
}

/// Two pieces, as a list or with a space between.
fn merge(merge: &Value) -> Option<[&str; 2]> {
    if let Some(pair) = merge.as_array() {
        return Some([pair.first()?.as_str()?, pair.get(1)?.as_str()?]);
    }
    let text = merge.as_str()?;
    let (left, right) = text.split_once(' ')?;
    Some([left, right])
}

/// Scores that have the merges in their order: the earlier a piece is made, the higher. Pieces that no merge makes come last;
/// such as are made in turns, as those of equal scores are, share theirs. `None` where the merges are not those of scores.
fn scores(tokens: &ListedTokens, merges: &[[&str; 2]]) -> Option<Vec<f64>> {
    let last_made: HashMap<String, usize> =
        merges.iter().enumerate().map(|(index, pair)| (pair.concat(), index)).collect();
    let mut groups: HashMap<String, usize> = HashMap::with_capacity(last_made.len());
    let (mut group, mut group_ends) = (0, None);
    for (index, pair) in merges.iter().enumerate() {
        let piece = pair.concat();
        if group_ends.is_none_or(|end| index > end) {
            group += 1;
        }
        group_ends = group_ends.max(last_made.get(&piece).copied());
        groups.entry(piece).or_insert(group);
    }
    let of = |text: &String| groups.get(text).copied().unwrap_or(group + 1);
    let scores: Vec<f64> = tokens.texts.iter().map(|text| -(of(text) as f64)).collect();
    let vocabulary = Vocabulary::of(&tokens.texts, &tokens.kinds);
    (sentence_pieces::merges(&vocabulary, &scores) == merges).then_some(scores)
}

/// Whether a space is put in front of a text.
fn prefixes_space(tokenizer: &Value) -> bool {
    fn any(step: &Value, is_one: &dyn Fn(&Value) -> bool) -> bool {
        let inner = ["normalizers", "pretokenizers"].into_iter().filter_map(|field| step[field].as_array());
        is_one(step) || inner.flatten().any(|step| any(step, is_one))
    }
    let prepends = any(&tokenizer["normalizer"], &|step| step["type"] == "Prepend");
    prepends
        || any(&tokenizer["pre_tokenizer"], &|step| {
            let scheme = step["prepend_scheme"].as_str();
            let is_prefixed = scheme.map_or(step["add_prefix_space"] != false, |scheme| scheme != "never");
            step["type"] == "Metaspace" && is_prefixed
        })
}

/// The special tokens by id, and which of them frame a text.
fn write_special(writer: &mut GgufWriter, files: &TokenizerFiles, tokens: &ListedTokens) {
    let named = |field: &str| {
        let value = &files.config[field];
        tokens.id_of(value.as_str().or_else(|| value["content"].as_str())?)
    };
    let mut put = |key: &str, id: Option<usize>| {
        if let Some(id) = id.filter(|&id| id < tokens.texts.len()) {
            writer.value(&format!("tokenizer.ggml.{key}"), &MetadataValue::Integer(id as i128));
        }
    };
    let bos = named("bos_token").or(files.bos_token_id);
    put("bos_token_id", bos);
    let mut ends: Vec<usize> = Vec::new();
    for id in named("eos_token").into_iter().chain(files.end_token_ids.iter().copied()) {
        if !ends.contains(&id) {
            ends.push(id);
        }
    }
    for (key, id) in ["eos_token_id", "eot_token_id", "eom_token_id"].into_iter().zip(&ends) {
        put(key, Some(*id));
    }
    put("padding_token_id", named("pad_token").or(files.pad_token_id));
    put("unknown_token_id", named("unk_token"));
    let framing = framing(&files.tokenizer["post_processor"]);
    let is_at = |place: Option<&str>, id: Option<&usize>| {
        place.is_some_and(|text| id.and_then(|&id| tokens.texts.get(id)).is_some_and(|token| token == text))
    };
    let usual = [is_at(framing[0], bos.as_ref()), is_at(framing[1], ends.first())];
    for (field, usual) in ["add_bos_token", "add_eos_token"].into_iter().zip(usual) {
        let flag = files.config[field].as_bool().unwrap_or(usual);
        writer.value(&format!("tokenizer.ggml.{field}"), &MetadataValue::Bool(flag));
    }
}

/// The special tokens in front of a text and behind it.
fn framing(processor: &Value) -> [Option<&str>; 2] {
    let steps = processor["processors"].as_array();
    let template = steps.into_iter().flatten().chain([processor]).find(|step| step["type"] == "TemplateProcessing");
    let Some(items) = template.and_then(|template| template["single"].as_array()) else { return [None, None] };
    [items.first(), items.last()].map(|item| item?["SpecialToken"]["id"].as_str())
}
