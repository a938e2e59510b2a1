//! How much memory steps take beside weights and KV cache, computed from the model's sizes.

use quire_weights::ModelConfig;

/// The largest step that the caller will ever ask for.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// Tokens in one step.
    pub max_num_batched_tokens: usize,
    /// Rows of logits in one step.
    pub max_logits_rows: usize,
    /// Tokens in one sequence.
    pub max_model_len: usize,
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryProfile {
    /// Taken by the weights already.
    pub weights_bytes: u64,
    /// Taken by activations, logits and tables in a step at the limits; not yet allocated.
    pub activation_bytes: u64,
}

/// Upper bound of what a step at `limits` allocates: every kind of activation once, each at its largest.
pub(crate) fn activation_bytes(config: &ModelConfig, limits: &BatchLimits) -> u64 {
    const F32: u64 = 4;
    let hidden = config.hidden_size as u64;
    // Fields that other architectures lack; those of the wrong type were refused when the model was built.
    let field = |name: &str| config.document.count(name).ok().flatten().unwrap_or(0) as u64;
    let num_experts = ["num_experts", "num_local_experts", "n_routed_experts"].map(field).into_iter().fold(0, u64::max);
    let of_experts = field("moe_intermediate_size");
    let shared = field("shared_expert_intermediate_size").max(field("n_shared_experts").saturating_mul(of_experts));
    let inner = of_experts.max(shared).max(config.intermediate_size as u64);
    let queries = (config.num_attention_heads * config.head_dim) as u64;
    let keys = (config.num_key_value_heads * config.head_dim) as u64;
    // Of latent attention: queries as they are projected, by head, and values by head.
    let by_head = if config.rotary_dim < config.head_dim { 3 * queries } else { 0 };
    // Residual, its copy, the normed, the tokens of an expert, a layer's output before it is added; queries, keys and values;
    // attended; gate, up and their product; scores of experts, there and in host memory.
    let per_token = 5 * hidden + queries + 2 * keys + queries + by_head + 3 * inner + 2 * num_experts;
    // Embedding: hidden states on their way to be pooled, and one layer's keys and values.
    let pooled_per_token = hidden + 2 * keys;
    // The kernels narrow the input of a product to bf16 and keep partial results of attention.
    let scratch_per_token = inner.max(hidden).max(queries) + queries;
    let per_logits_row = 3 * hidden + config.vocab_size as u64;
    let tables = if config.rope.is_some() { (limits.max_model_len * config.head_dim) as u64 } else { 0 };
    let tokens = limits.max_num_batched_tokens as u64;
    F32 * (tokens * (per_token + pooled_per_token + scratch_per_token)
        + limits.max_logits_rows as u64 * per_logits_row
        + 2 * tables)
}
