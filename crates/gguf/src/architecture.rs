//! The architectures that are read, and what Hugging Face's checkpoints call their tensors.

use crate::tensor_names::{Names, layer_part};
use crate::{GgufProblem, Metadata};

/// `expert_gating_func` of routers whose scores are logistic functions.
const LOGISTIC: usize = 2;
const ARCHITECTURE_KEY: &str = "general.architecture";
/// Adapters, projectors of images and importance matrices are such files too.
const TYPE_KEY: &str = "general.type";

/// An architecture. Some share ggml's name for it, and metadata tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// Command R and Aya 23.
    Cohere,
    /// Command R7B and Command A.
    Cohere2,
    /// DeepSeek-V2 and V2-Lite.
    DeepseekV2,
    /// DeepSeek-V3: ggml's `deepseek2` with logistic scores.
    DeepseekV3,
    /// ERNIE 4.5, dense.
    Ernie4_5,
    /// EXAONE 4.
    Exaone4,
    /// Gemma.
    Gemma,
    /// Gemma 2.
    Gemma2,
    /// Gemma 3, its decoder of text.
    Gemma3,
    /// GLM-4-0414 and GLM-Z1.
    Glm4,
    /// GLM-4.5 to 4.7.
    Glm4Moe,
    /// GPT-2.
    Gpt2,
    /// GPT-NeoX and Pythia.
    GptNeoX,
    /// Granite 3, dense.
    Granite,
    /// Llama 1 to 3, Mistral, SmolLM and whatever else was converted as one.
    Llama,
    /// Mixtral: ggml's `llama` with experts.
    Mixtral,
    /// OLMo 2.
    Olmo2,
    /// OLMo 3: ggml's `olmo2` with a window.
    Olmo3,
    /// OLMoE.
    Olmoe,
    /// Phi-1, 1.5 and 2.
    Phi,
    /// Phi-3 and Phi-4.
    Phi3,
    /// Qwen2 and Qwen2.5.
    Qwen2,
    /// Qwen1.5-MoE and Qwen2-MoE.
    Qwen2Moe,
    /// Qwen3.
    Qwen3,
    /// Qwen3-MoE.
    Qwen3Moe,
    /// Seed-OSS.
    SeedOss,
    /// SmolLM3.
    SmolLm3,
    /// StableLM 2 and 3B.
    StableLm,
    /// Starcoder2.
    Starcoder2,
}

/// How converters store the rows of the maps to queries and keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StoredRows {
    /// As checkpoints have them.
    Same,
    /// The rotated halves of heads alternating, as the first Llama's weights had them.
    HalvesAlternate,
    /// Of a fused map all queries, all keys, all values, where checkpoints go from head to head.
    PartsInTurn,
}

/// What is fixed for an architecture.
struct Facts {
    architecture: Architecture,
    /// ggml's name.
    name: &'static str,
    /// The class of transformers, and its `model_type`.
    class: [&'static str; 2],
    names: Names,
    stored_rows: StoredRows,
}

const fn facts(architecture: Architecture, name: &'static str, class: [&'static str; 2], names: Names) -> Facts {
    Facts { architecture, name, class, names, stored_rows: StoredRows::Same }
}

/// Of two with one name of ggml's, the plain one is first.
const ALL: [Facts; 29] = [
    facts(Architecture::Cohere, "command-r", ["CohereForCausalLM", "cohere"], Names::LLAMA),
    facts(Architecture::Cohere2, "cohere2", ["Cohere2ForCausalLM", "cohere2"], Names::LLAMA),
    facts(Architecture::DeepseekV2, "deepseek2", ["DeepseekV2ForCausalLM", "deepseek_v2"], Names::DEEPSEEK),
    facts(Architecture::DeepseekV3, "deepseek2", ["DeepseekV3ForCausalLM", "deepseek_v3"], Names::DEEPSEEK),
    facts(Architecture::Ernie4_5, "ernie4_5", ["Ernie4_5ForCausalLM", "ernie4_5"], Names::LLAMA),
    facts(Architecture::Exaone4, "exaone4", ["Exaone4ForCausalLM", "exaone4"], Names::NORMS_AFTER),
    facts(Architecture::Gemma, "gemma", ["GemmaForCausalLM", "gemma"], Names::LLAMA),
    facts(Architecture::Gemma2, "gemma2", ["Gemma2ForCausalLM", "gemma2"], Names::NORMS_AROUND),
    facts(Architecture::Gemma3, "gemma3", ["Gemma3ForCausalLM", "gemma3_text"], Names::NORMS_AROUND),
    facts(Architecture::Glm4, "glm4", ["Glm4ForCausalLM", "glm4"], Names::GLM4),
    facts(Architecture::Glm4Moe, "glm4moe", ["Glm4MoeForCausalLM", "glm4_moe"], Names::GLM4_MOE),
    facts(Architecture::Gpt2, "gpt2", ["GPT2LMHeadModel", "gpt2"], Names::GPT2),
    Facts {
        stored_rows: StoredRows::PartsInTurn,
        ..facts(Architecture::GptNeoX, "gptneox", ["GPTNeoXForCausalLM", "gpt_neox"], Names::GPT_NEOX)
    },
    Facts {
        stored_rows: StoredRows::HalvesAlternate,
        ..facts(Architecture::Granite, "granite", ["GraniteForCausalLM", "granite"], Names::LLAMA)
    },
    Facts {
        stored_rows: StoredRows::HalvesAlternate,
        ..facts(Architecture::Llama, "llama", ["LlamaForCausalLM", "llama"], Names::LLAMA)
    },
    Facts {
        stored_rows: StoredRows::HalvesAlternate,
        ..facts(Architecture::Mixtral, "llama", ["MixtralForCausalLM", "mixtral"], Names::MIXTRAL)
    },
    facts(Architecture::Olmo2, "olmo2", ["Olmo2ForCausalLM", "olmo2"], Names::NORMS_AFTER),
    facts(Architecture::Olmo3, "olmo2", ["Olmo3ForCausalLM", "olmo3"], Names::NORMS_AFTER),
    facts(Architecture::Olmoe, "olmoe", ["OlmoeForCausalLM", "olmoe"], Names::QWEN_MOE),
    facts(Architecture::Phi, "phi2", ["PhiForCausalLM", "phi"], Names::PHI),
    facts(Architecture::Phi3, "phi3", ["Phi3ForCausalLM", "phi3"], Names::PHI3),
    facts(Architecture::Qwen2, "qwen2", ["Qwen2ForCausalLM", "qwen2"], Names::LLAMA),
    facts(Architecture::Qwen2Moe, "qwen2moe", ["Qwen2MoeForCausalLM", "qwen2_moe"], Names::QWEN_MOE),
    facts(Architecture::Qwen3, "qwen3", ["Qwen3ForCausalLM", "qwen3"], Names::LLAMA),
    facts(Architecture::Qwen3Moe, "qwen3moe", ["Qwen3MoeForCausalLM", "qwen3_moe"], Names::QWEN_MOE),
    facts(Architecture::SeedOss, "seed_oss", ["SeedOssForCausalLM", "seed_oss"], Names::SEED_OSS),
    Facts {
        stored_rows: StoredRows::HalvesAlternate,
        ..facts(Architecture::SmolLm3, "smollm3", ["SmolLM3ForCausalLM", "smollm3"], Names::LLAMA)
    },
    facts(Architecture::StableLm, "stablelm", ["StableLmForCausalLM", "stablelm"], Names::LLAMA),
    facts(Architecture::Starcoder2, "starcoder2", ["Starcoder2ForCausalLM", "starcoder2"], Names::STARCODER2),
];

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
    /// The queries of all `num_heads` heads, then their keys, then their values; in the checkpoint, of each head its query, key
    /// and value.
    PartsInTurn {
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

impl Architecture {
    /// The architecture of a file.
    ///
    /// # Errors
    /// The file names none, or one that is not read.
    pub fn of(metadata: &Metadata) -> Result<Architecture, GgufProblem> {
        if let Some(kind) = metadata.text(TYPE_KEY)?.filter(|&kind| kind != "model") {
            let (key, found) = (TYPE_KEY.to_string(), format!("`{kind}`"));
            return Err(GgufProblem::InvalidValue {
                key,
                found,
                expected: "`model`: adapters, projectors and importance matrices are none",
            });
        }
        let missing = || GgufProblem::MissingValue { key: ARCHITECTURE_KEY.to_string() };
        let name = metadata.text(ARCHITECTURE_KEY)?.ok_or_else(missing)?;
        let found = ALL.iter().find(|facts| facts.name == name).ok_or_else(|| {
            let mut supported: Vec<&str> = ALL.iter().map(|facts| facts.name).collect();
            supported.dedup();
            GgufProblem::UnsupportedArchitecture { architecture: name.to_string(), supported }
        })?;
        let is_set = |key: &str| Ok::<_, GgufProblem>(metadata.count(key)?.is_some_and(|count| count > 0));
        let is_logistic = |key: &str| Ok::<_, GgufProblem>(metadata.count(key)? == Some(LOGISTIC));
        Ok(match found.architecture {
            Architecture::DeepseekV2 if is_logistic("deepseek2.expert_gating_func")? => Architecture::DeepseekV3,
            Architecture::Llama if is_set("llama.expert_count")? => Architecture::Mixtral,
            Architecture::Olmo2 if is_set("olmo2.attention.sliding_window")? => Architecture::Olmo3,
            architecture => architecture,
        })
    }

    /// The architecture that checkpoints of a class of transformers are converted to.
    pub fn of_class(class: &str) -> Option<Architecture> {
        let class = match class {
            "MistralForCausalLM" => "LlamaForCausalLM",
            "Gemma3ForConditionalGeneration" => "Gemma3ForCausalLM",
            class => class,
        };
        ALL.iter().find(|facts| facts.class[0] == class).map(|facts| facts.architecture)
    }

    fn facts(self) -> &'static Facts {
        ALL.iter().find(|facts| facts.architecture == self).unwrap_or(&ALL[0])
    }

    /// ggml's name.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// The class of transformers.
    pub fn class(self) -> &'static str {
        self.facts().class[0]
    }

    /// The class's `model_type`.
    pub fn model_type(self) -> &'static str {
        self.facts().class[1]
    }

    /// What the checkpoint calls the tensor `name`; an unknown one keeps its name.
    ///
    /// # Errors
    /// The numbers of heads are not numbers.
    pub fn tensor_name(self, name: &str, metadata: &Metadata) -> Result<TensorName, GgufProblem> {
        let rows = self.row_order(name, metadata)?;
        let name = self.facts().names.translated(name).unwrap_or_else(|| name.to_string());
        Ok(TensorName { name, rows })
    }

    /// What a file calls the tensor that the checkpoint calls `name`, and of which expert it is a part.
    pub fn ggml_name(self, name: &str) -> Option<(String, Option<usize>)> {
        self.facts().names.ggml_name(name)
    }

    fn row_order(self, name: &str, metadata: &Metadata) -> Result<RowOrder, GgufProblem> {
        let part = name.rsplit_once('.').and_then(|(stem, _)| layer_part(stem)).map(|(_, part)| part);
        let count = |key: &str| metadata.count(&format!("{}.attention.{key}", self.name()));
        let order = |num_heads: Option<usize>, order: fn(usize) -> RowOrder| num_heads.map_or(RowOrder::Same, order);
        Ok(match (self.facts().stored_rows, part) {
            (StoredRows::HalvesAlternate, Some("attn_q")) => {
                order(count("head_count")?, |num_heads| RowOrder::HalvesAlternate { num_heads })
            }
            (StoredRows::HalvesAlternate, Some("attn_k")) => {
                let num_heads = count("head_count_kv")?.or(count("head_count")?);
                order(num_heads, |num_heads| RowOrder::HalvesAlternate { num_heads })
            }
            (StoredRows::PartsInTurn, Some("attn_qkv")) => {
                order(count("head_count")?, |num_heads| RowOrder::PartsInTurn { num_heads })
            }
            _ => RowOrder::Same,
        })
    }
}
