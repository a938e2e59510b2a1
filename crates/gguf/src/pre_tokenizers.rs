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
const SEED: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// A way of splitting, and the names that files have for it.
struct Way {
    names: &'static [&'static str],
    make: fn() -> PreTokenizer,
}

const WAYS: [Way; 13] = [
    Way {
        names: &["gpt-2", "phi-2", "mpt", "olmo", "jina-en", "jina-es", "jina-de", "trillion", "exaone4", "default"],
        make: || plain(byte_level(true)),
    },
    Way {
        names: &["llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"],
        make: || PreTokenizer { ignores_merges: true, adds_bos: true, ..plain(split_by(LLAMA3)) },
    },
    Way { names: &["dbrx", "smaug-bpe", "glm4", "chatglm-bpe"], make: || plain(split_by(LLAMA3)) },
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
    Way { names: &["seed-coder"], make: || plain(split_by(SEED)) },
    Way { names: &["stablelm2"], make: || plain(split_by(QWEN2)) },
    Way {
        names: &["command-r"],
        make: || PreTokenizer { normalizer: json!({"type": "NFC"}), ..plain(sequence([digits(), byte_level(true)])) },
    },
    Way {
        names: &["deepseek-coder"],
        make: || {
            let [lines, letters, marks, han] = [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", EAST_ASIAN].map(split);
            plain(sequence([lines, letters, marks, han, digits(), byte_level(false)]))
        },
    },
    Way {
        names: &["deepseek-llm"],
        make: || {
            let splits = [r"[\r\n]", CASED_LETTERS, DEEPSEEK_MARKS, r"\s+$", EAST_ASIAN, r"\p{N}+"].map(split);
            let [lines, letters, marks, end, han, numbers] = splits;
            plain(sequence([lines, letters, marks, end, han, numbers, byte_level(false)]))
        },
    },
    Way {
        names: &["deepseek-v3"],
        make: || {
            let [numbers, han, others] = [r"\p{N}{1,3}", "[一-龥\u{3040}-ゟ゠-ヿ]+", DEEPSEEK_V3].map(split);
            plain(sequence([numbers, han, others, byte_level(false)]))
        },
    },
];

const EAST_ASIAN: &str = "[一-龥ࠀ-一가-\u{d7ff}]+";
/// Letters that are upper or lower case, in the blocks that have any.
const CASED_LETTERS: &str = "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝ\u{1f5f}-\u{1f7d}ᾀ-ᾴᾶ-ᾼ\u{1fbe}ῂ-ῄῆ-ῌ\u{1fd0}-\u{1fd3}\u{1fd6}-\u{1fdb}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u{2126}ℨ\u{212a}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ\u{10400}-\u{1044f}\u{104b0}-\u{104d3}\u{104d8}-\u{104fb}\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}\u{118a0}-\u{118df}\u{1e900}-\u{1e943}]+";
const DEEPSEEK_MARKS: &str = "\\s?[!-/:-~\u{ff01}-\u{ff0f}\u{ff1a}-\u{ff5e}\u{2018}-\u{201f}\u{3000}-\u{3002}]+";
const DEEPSEEK_V3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;

/// How the texts of a byte-level vocabulary are split. A file that does not say is taken for GPT-2's.
///
/// # Errors
/// A name that is not known: pieces of another splitting would be other tokens.
pub(crate) fn pre_tokenizer(metadata: &Metadata) -> Result<PreTokenizer, GgufProblem> {
    let name = metadata.text(PRE_KEY)?.unwrap_or("default");
    let way = WAYS.iter().find(|way| way.names.contains(&name));
    way.map(|way| (way.make)()).ok_or_else(|| {
        let supported = supported_names();
        GgufProblem::UnsupportedTokenizer { key: PRE_KEY, found: name.to_string(), supported }
    })
}

/// All names that are known.
pub(crate) fn supported_names() -> Vec<&'static str> {
    WAYS.iter().flat_map(|way| way.names).copied().collect()
}

/// The name of the splitting of a `tokenizer.json`, if files have one.
pub(crate) fn pre_tokenizer_name(normalizer: &Value, steps: &Value, ignores_merges: bool) -> Option<&'static str> {
    let found = (kind_of(normalizer), flat_steps(steps));
    let is_same = |pre: &PreTokenizer| {
        (kind_of(&pre.normalizer), flat_steps(&pre.steps)) == found && pre.ignores_merges == ignores_merges
    };
    WAYS.iter().find(|way| is_same(&(way.make)())).map(|way| way.names[0])
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
