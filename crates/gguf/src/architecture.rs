//! The architectures that are read, and what Hugging Face's checkpoints call their tensors.

use crate::{GgufProblem, Metadata};

const ARCHITECTURE_KEY: &str = "general.architecture";

/// An architecture, by ggml's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// Llama 1 to 3, Mistral, SmolLM and whatever else was converted as one.
    Llama,
    /// Qwen2 and Qwen2.5.
    Qwen2,
    /// Qwen3.
    Qwen3,
    /// GPT-2.
    Gpt2,
    /// Starcoder2.
    Starcoder2,
}

const ALL: [Architecture; 5] =
    [Architecture::Gpt2, Architecture::Llama, Architecture::Qwen2, Architecture::Qwen3, Architecture::Starcoder2];

/// In which order the rows of a matrix are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOrder {
    /// As the checkpoint has them.
    Same,
    /// Within each of `num_heads` heads, the two halves alternate: row `2 i` is the checkpoint's `i`, row `2 i + 1` its
    /// `half + i`.
    HalvesAlternate {
        /// Heads that the rows belong to.
        num_heads: usize,
    },
}

/// What a checkpoint calls a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorName {
    /// Such as `model.layers.0.self_attn.q_proj.weight`.
    pub name: String,
    /// Order of its rows.
    pub rows: RowOrder,
}

/// Tensors of no layer, then those of layers, by ggml's names; `.weight` and `.bias` stay as they are.
struct Names {
    whole: &'static [(&'static str, &'static str)],
    layer: &'static str,
    of_layer: &'static [(&'static str, &'static str)],
}

const LLAMA_WHOLE: &[(&str, &str)] =
    &[("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head")];

const LLAMA_NAMES: Names = Names {
    whole: LLAMA_WHOLE,
    layer: "model.layers.",
    of_layer: &[
        ("attn_norm", "input_layernorm"),
        ("attn_q", "self_attn.q_proj"),
        ("attn_k", "self_attn.k_proj"),
        ("attn_v", "self_attn.v_proj"),
        ("attn_output", "self_attn.o_proj"),
        ("attn_q_norm", "self_attn.q_norm"),
        ("attn_k_norm", "self_attn.k_norm"),
        ("ffn_norm", "post_attention_layernorm"),
        ("ffn_gate", "mlp.gate_proj"),
        ("ffn_up", "mlp.up_proj"),
        ("ffn_down", "mlp.down_proj"),
    ],
};

const STARCODER2_NAMES: Names = Names {
    whole: LLAMA_WHOLE,
    layer: "model.layers.",
    of_layer: &[
        ("attn_norm", "input_layernorm"),
        ("attn_q", "self_attn.q_proj"),
        ("attn_k", "self_attn.k_proj"),
        ("attn_v", "self_attn.v_proj"),
        ("attn_output", "self_attn.o_proj"),
        ("ffn_norm", "post_attention_layernorm"),
        ("ffn_up", "mlp.c_fc"),
        ("ffn_down", "mlp.c_proj"),
    ],
};

const GPT2_NAMES: Names = Names {
    whole: &[
        ("token_embd", "transformer.wte"),
        ("position_embd", "transformer.wpe"),
        ("output_norm", "transformer.ln_f"),
        ("output", "lm_head"),
    ],
    layer: "transformer.h.",
    of_layer: &[
        ("attn_norm", "ln_1"),
        ("attn_qkv", "attn.c_attn"),
        ("attn_output", "attn.c_proj"),
        ("ffn_norm", "ln_2"),
        ("ffn_up", "mlp.c_fc"),
        ("ffn_down", "mlp.c_proj"),
    ],
};

impl Architecture {
    /// The architecture of a file.
    ///
    /// # Errors
    /// The file names none, or one that is not read.
    pub fn of(metadata: &Metadata) -> Result<Architecture, GgufProblem> {
        let missing = || GgufProblem::MissingValue { key: ARCHITECTURE_KEY.to_string() };
        let name = metadata.text(ARCHITECTURE_KEY)?.ok_or_else(missing)?;
        ALL.into_iter().find(|architecture| architecture.name() == name).ok_or_else(|| {
            let supported = ALL.into_iter().map(Architecture::name).collect();
            GgufProblem::UnsupportedArchitecture { architecture: name.to_string(), supported }
        })
    }

    /// ggml's name.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::Llama => "llama",
            Architecture::Qwen2 => "qwen2",
            Architecture::Qwen3 => "qwen3",
            Architecture::Gpt2 => "gpt2",
            Architecture::Starcoder2 => "starcoder2",
        }
    }

    /// The class of transformers.
    pub fn class(self) -> &'static str {
        match self {
            Architecture::Llama => "LlamaForCausalLM",
            Architecture::Qwen2 => "Qwen2ForCausalLM",
            Architecture::Qwen3 => "Qwen3ForCausalLM",
            Architecture::Gpt2 => "GPT2LMHeadModel",
            Architecture::Starcoder2 => "Starcoder2ForCausalLM",
        }
    }

    /// What the checkpoint calls the tensor `name`; an unknown one keeps its name.
    ///
    /// # Errors
    /// The numbers of heads are not numbers.
    pub fn tensor_name(self, name: &str, metadata: &Metadata) -> Result<TensorName, GgufProblem> {
        let rows = self.row_order(name, metadata)?;
        let name = self.translated(name).unwrap_or_else(|| name.to_string());
        Ok(TensorName { name, rows })
    }

    fn translated(self, name: &str) -> Option<String> {
        let names = match self {
            Architecture::Llama | Architecture::Qwen2 | Architecture::Qwen3 => LLAMA_NAMES,
            Architecture::Gpt2 => GPT2_NAMES,
            Architecture::Starcoder2 => STARCODER2_NAMES,
        };
        let find = |table: &[(&str, &'static str)], part: &str| {
            table.iter().find(|(own, _)| *own == part).map(|(_, translated)| *translated)
        };
        let (stem, kind) = name.rsplit_once('.')?;
        match layer_part(stem) {
            None => Some(format!("{}.{kind}", find(names.whole, stem)?)),
            Some((layer, part)) => Some(format!("{}{layer}.{}.{kind}", names.layer, find(names.of_layer, part)?)),
        }
    }

    /// Converters store the rotated halves of Llama's heads alternating, as the first Llama's weights had them.
    fn row_order(self, name: &str, metadata: &Metadata) -> Result<RowOrder, GgufProblem> {
        let part = name.rsplit_once('.').and_then(|(stem, _)| layer_part(stem)).map(|(_, part)| part);
        if self != Architecture::Llama || !matches!(part, Some("attn_q" | "attn_k")) {
            return Ok(RowOrder::Same);
        }
        let queries = metadata.count("llama.attention.head_count")?;
        let num_heads = match part {
            Some("attn_k") => metadata.count("llama.attention.head_count_kv")?.or(queries),
            _ => queries,
        };
        Ok(num_heads.map_or(RowOrder::Same, |num_heads| RowOrder::HalvesAlternate { num_heads }))
    }
}

/// The layer and the rest of `blk.<layer>.<rest>`.
fn layer_part(stem: &str) -> Option<(usize, &str)> {
    let (layer, part) = stem.strip_prefix("blk.")?.split_once('.')?;
    Some((layer.parse().ok()?, part))
}
