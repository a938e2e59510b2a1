//! The rotary positions of a model: one table for all layers, or one for those with a window and one for the others, or one
//! for short sequences and one for long.

use std::sync::Arc;

use crate::{Backend, ModelError, RopeAngles, WeightLoader};

/// The tables.
pub(crate) struct Ropes<B: Backend> {
    /// Of layers that see everything.
    full: Option<Arc<B::Rope>>,
    /// Of layers with a window, where they have their own.
    windowed: Option<Arc<B::Rope>>,
    /// LongRoPE's choice.
    pub(crate) by_length: Option<LengthRope<B>>,
}

/// LongRoPE, <https://arxiv.org/abs/2402.13753>: one set of angles for sequences within the trained length, another for
/// longer ones.
///
/// transformers picks the set by the length of the batch, and computes all keys anew when a sequence passes the trained
/// length. Keys in a paged cache keep their angles, so here, as in vLLM and llama.cpp, the longest sequence that the engine
/// admits decides, once: results do not depend on the batch.
pub(crate) struct LengthRope<B: Backend> {
    trained_length: usize,
    short: Arc<B::Rope>,
    long: Arc<B::Rope>,
}

impl<B: Backend> Ropes<B> {
    /// What the configuration describes, over the part of each head that it says.
    pub(crate) fn load(loader: &WeightLoader<'_, B>) -> Result<Ropes<B>, ModelError> {
        let full = loader.partial_rope()?.map(Arc::new);
        let windowed = match &loader.config.windowed_rope {
            None => None,
            Some(rope) => {
                let angles = RopeAngles::new(rope, loader.rotated(rope)?, loader.config.max_position_embeddings);
                Some(Arc::new(loader.rope_of(angles)?))
            }
        };
        let short = match &loader.config.rope {
            None => None,
            Some(rope) => RopeAngles::within_trained_length(rope, loader.rotated(rope)?),
        };
        let by_length = match (short, &full) {
            (Some((trained_length, angles)), Some(long)) => {
                Some(LengthRope { trained_length, short: Arc::new(loader.rope_of(angles)?), long: Arc::clone(long) })
            }
            _ => None,
        };
        Ok(Ropes { full, windowed, by_length })
    }

    /// The table of a layer with this window.
    pub(crate) fn of_layer(&self, window: Option<usize>) -> Option<Arc<B::Rope>> {
        window.and(self.windowed.clone()).or_else(|| self.full.clone())
    }
}

impl<B: Backend> LengthRope<B> {
    /// Puts the table for sequences of at most `max_tokens` in place of the other one. A layer that is not rotated, or has
    /// angles of its own, stays as it is.
    pub(crate) fn choose(&self, rope: &mut Option<Arc<B::Rope>>, max_tokens: usize) {
        if rope.as_ref().is_some_and(|rope| [&self.short, &self.long].into_iter().any(|one| Arc::ptr_eq(rope, one))) {
            *rope = Some(Arc::clone(if max_tokens <= self.trained_length { &self.short } else { &self.long }));
        }
    }
}
