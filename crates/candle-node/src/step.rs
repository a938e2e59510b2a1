//! Steps on a thread of the pool.

use napi::bindgen_prelude::Buffer;
use napi::{Env, Result, Task};
use quire_core::InputBatchView;
use quire_runner::ModelOutput;

use crate::failure::{Failure, Outcome};
use crate::runner::{SharedRunner, with_runner};
use crate::words::{elements, elements_mut, fill};

/// One step. The buffers keep JavaScript's arrays alive; reading and writing them here is sound because the engine's loop
/// touches none of them until the promise settles.
pub struct Step {
    pub(crate) runner: SharedRunner,
    pub(crate) words: Buffer,
    pub(crate) logits: Buffer,
    pub(crate) token_ids: Buffer,
}

impl Task for Step {
    type Output = Outcome<i32>;
    type JsValue = Outcome<i32>;

    fn compute(&mut self) -> Result<Self::Output> {
        let Self { runner, words, logits, token_ids } = self;
        Ok(execute(runner, words, logits, token_ids))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}

/// Runs the step in `words`. Gives how many token ids were drawn, or -1 if `logits` were filled instead.
pub(crate) fn execute(runner: &SharedRunner, words: &[u8], logits: &mut [u8], token_ids: &mut [u8]) -> Outcome<i32> {
    with_runner(runner, |runner| {
        let batch = InputBatchView::new(elements(words)?).map_err(Failure::bug)?;
        match runner.execute(&batch, elements_mut(logits)?)? {
            ModelOutput::Logits => Ok(-1),
            ModelOutput::TokenIds(drawn) => Ok(fill(token_ids, &drawn)? as i32),
        }
    })
}

/// A step that leaves nothing behind.
pub struct Warmup {
    pub(crate) runner: SharedRunner,
}

impl Task for Warmup {
    type Output = Outcome<bool>;
    type JsValue = Outcome<bool>;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(with_runner(&self.runner, |runner| Ok(runner.warmup().map(|()| true)?)))
    }

    fn resolve(&mut self, _env: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}
