//! How long a sequence a model takes.

use quire_weights::{ModelConfig, RopeScaling};

/// Most tokens of one sequence: the trained length, stretched by the rotary scaling where that is what it is for.
///
/// A model whose layers have rotary positions of two kinds (Gemma 3) states the stretched length. For others, as vLLM has it: linear and dynamic scaling multiply `max_position_embeddings` by their factor, YaRN multiplies the
/// original length; Llama 3's scaling is already in `max_position_embeddings`. Learned positions end where their table ends.
pub fn max_sequence_tokens(config: &ModelConfig) -> usize {
    let stretched = |length: usize, factor: f64| {
        let stretched = length as f64 * factor;
        if stretched < f64::from(i32::MAX) { (stretched as usize).max(1) } else { i32::MAX as usize }
    };
    match config.rope.as_ref().filter(|_| config.windowed_rope.is_none()).map(|rope| &rope.scaling) {
        Some(RopeScaling::Linear { factor } | RopeScaling::Dynamic { factor }) => {
            stretched(config.max_position_embeddings, *factor)
        }
        Some(RopeScaling::Yarn { factor, original_max_position_embeddings, .. }) => {
            stretched(*original_max_position_embeddings, *factor)
        }
        _ => config.max_position_embeddings,
    }
}
