//! How texts are split before pieces are merged: the names that files have for it, and the steps of `tokenizer.json`.

use serde_json::{Value, json};

use crate::{GgufProblem, Metadata};

pub(crate) const PRE_KEY: &str = "tokenizer.ggml.pre";

/// Splitting and normalizing, as `tokenizer.json` writes them.
pub(crate) struct PreTokenizer {
    pub(crate) normalizer: Value,
    pub(crate) steps: Value,
    /// A stretch that is a piece stays whole, whatever its merges.
    pub(crate) ignores_merges: bool,
    /// Whether texts begin with the beginning token unless the file says otherwise.
    pub(crate) adds_bos: bool,
}

const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// A way of splitting, and the names that files have for it.
struct Way {
    names: &'static [&'static str],
    make: fn() -> PreTokenizer,
}

const WAYS: [Way; 7] = [
    Way {
        names: &["gpt-2", "phi-2", "mpt", "olmo", "jina-en", "jina-es", "jina-de", "trillion", "default"],
        make: || plain(byte_level(true)),
    },
    Way {
        names: &["llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"],
        make: || PreTokenizer { ignores_merges: true, adds_bos: true, ..plain(split_by(LLAMA3)) },
    },
    Way { names: &["dbrx", "smaug-bpe"], make: || plain(split_by(LLAMA3)) },
    Way {
        names: &["qwen2", "deepseek-r1-qwen"],
        make: || PreTokenizer { normalizer: json!({"type": "NFC"}), ..plain(split_by(QWEN2)) },
    },
    Way {
        names: &["smollm", "starcoder", "refact", "codeshell"],
        make: || plain(sequence([digits(), byte_level(true)])),
    },
    Way {
        names: &["tekken"],
        make: || PreTokenizer { ignores_merges: true, adds_bos: true, ..plain(split_by(TEKKEN)) },
    },
    Way { names: &["gpt-4o", "llama4"], make: || PreTokenizer { ignores_merges: true, ..plain(split_by(GPT4O)) } },
];

/// Deepseek-coder's, the only one of its kind.
fn deepseek_coder() -> PreTokenizer {
    let splits = [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+"].map(split);
    let [lines, letters, marks, han] = splits;
    plain(sequence([lines, letters, marks, han, digits(), byte_level(false)]))
}

const DEEPSEEK_CODER: &str = "deepseek-coder";

/// How the texts of a byte-level vocabulary are split. A file that does not say is taken for GPT-2's.
///
/// # Errors
/// A name that is not known: pieces of another splitting would be other tokens.
pub(crate) fn pre_tokenizer(metadata: &Metadata) -> Result<PreTokenizer, GgufProblem> {
    let name = metadata.text(PRE_KEY)?.unwrap_or("default");
    if name == DEEPSEEK_CODER {
        return Ok(deepseek_coder());
    }
    let way = WAYS.iter().find(|way| way.names.contains(&name));
    way.map(|way| (way.make)()).ok_or_else(|| {
        let supported = supported_names();
        GgufProblem::UnsupportedTokenizer { key: PRE_KEY, found: name.to_string(), supported }
    })
}

/// All names that are known.
pub(crate) fn supported_names() -> Vec<&'static str> {
    WAYS.iter().flat_map(|way| way.names).copied().chain([DEEPSEEK_CODER]).collect()
}

/// The name of the splitting of a `tokenizer.json`, if files have one.
pub(crate) fn pre_tokenizer_name(normalizer: &Value, steps: &Value, ignores_merges: bool) -> Option<&'static str> {
    let found = (kind_of(normalizer), flat_steps(steps));
    let is_same = |pre: &PreTokenizer| {
        (kind_of(&pre.normalizer), flat_steps(&pre.steps)) == found && pre.ignores_merges == ignores_merges
    };
    let way = WAYS.iter().find(|way| is_same(&(way.make)())).map(|way| way.names[0]);
    way.or_else(|| is_same(&deepseek_coder()).then_some(DEEPSEEK_CODER))
}

/// The kind of a step; a sequence of none is none.
fn kind_of(step: &Value) -> Option<&str> {
    let is_empty = step["normalizers"].as_array().is_some_and(Vec::is_empty);
    step.get("type").and_then(Value::as_str).filter(|_| !is_empty)
}

/// The steps one after another, each as what of it makes a difference.
fn flat_steps(steps: &Value) -> Vec<Value> {
    let field = |name: &str, usual: bool| steps.get(name).and_then(Value::as_bool).unwrap_or(usual);
    match kind_of(steps) {
        Some("Sequence") => steps["pretokenizers"].as_array().into_iter().flatten().flat_map(flat_steps).collect(),
        Some("Digits") => vec![json!(["Digits", field("individual_digits", false)])],
        Some("ByteLevel") => vec![json!(["ByteLevel", field("add_prefix_space", true), field("use_regex", true)])],
        Some("Split") => vec![json!([steps["pattern"], steps["behavior"], field("invert", false)])],
        _ => vec![steps.clone()],
    }
}

fn plain(steps: Value) -> PreTokenizer {
    PreTokenizer { normalizer: Value::Null, steps, ignores_merges: false, adds_bos: false }
}

fn split_by(pattern: &str) -> Value {
    sequence([split(pattern), byte_level(false)])
}

fn split(pattern: &str) -> Value {
    json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false})
}

fn digits() -> Value {
    json!({"type": "Digits", "individual_digits": true})
}

fn byte_level(splits: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": splits})
}

fn sequence<const COUNT: usize>(steps: [Value; COUNT]) -> Value {
    json!({"type": "Sequence", "pretokenizers": Vec::from(steps)})
}
