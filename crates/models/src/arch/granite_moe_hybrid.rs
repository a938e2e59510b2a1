//! Granite 4 without experts and without state-space layers: Granite 3 by other names. <https://www.ibm.com/granite/docs/models/granite>

use quire_weights::{ConfigClass, FieldNames};

use super::granite;
use super::llama_family::{LlamaFamily, MlpProjections, RotatedLayers};
use crate::{Backend, CausalModel, ModelError, WeightLoader};

/// `GraniteMoeHybridConfig`: its feed-forward layer is what experts would share.
pub(crate) const CLASS: ConfigClass = ConfigClass {
    model_type: "granitemoehybrid",
    names: FieldNames { intermediate_size: "shared_intermediate_size", ..FieldNames::LLAMA },
    intermediate_size: Some(1_024),
    ..granite::CLASS
};

/// Granite by other names, perhaps without positions.
///
/// # Errors
/// [`ModelError::UnsupportedConfig`] for experts, and for layers of another kind than attention.
pub(crate) fn build<B: Backend + 'static>(loader: &WeightLoader<'_, B>) -> Result<Box<dyn CausalModel<B>>, ModelError> {
    let document = &loader.config.document;
    let num_experts = document.count("num_local_experts")?.unwrap_or(8);
    if num_experts > 0 {
        return Err(ModelError::UnsupportedConfig {
            field: "num_local_experts",
            found: num_experts.to_string(),
            expected: "0: a feed-forward layer without experts",
        });
    }
    let kinds = document.texts("layer_types")?;
    let is_attention = |kind: &&str| matches!(*kind, "attention" | "full_attention");
    if !kinds.as_ref().is_some_and(|kinds| kinds.iter().all(is_attention)) {
        let other = kinds.and_then(|kinds| kinds.into_iter().find(|kind| !is_attention(kind)));
        return Err(ModelError::UnsupportedConfig {
            field: "layer_types",
            found: other.unwrap_or("absent").to_string(),
            expected: "attention in every layer",
        });
    }
    let is_rotated = document.text("position_embedding_type")? == Some("rope");
    LlamaFamily {
        mlp_projections: MlpProjections::Shared,
        rotated_layers: if is_rotated { RotatedLayers::All } else { RotatedLayers::None },
        ..granite::family(loader)?
    }
    .build(loader)
}
