//! Packed weights of a loaded model: what came of looking for them, and writing them for the next start, off the JavaScript thread.

use napi::bindgen_prelude::{AsyncTask, ClassInstance};
use napi::{Env, Result, Task};
use napi_derive::napi;
use quire_runner::{RunnerError, UnwrittenWeights};

use crate::failure::{Outcome, outcome};
use crate::runner::{Runner, with_runner};

/// What came of looking for packed weights.
#[napi(object)]
pub(crate) struct NativePackedWeights {
    /// The file was mapped, and nothing packed.
    pub is_mapped: bool,
    /// Why a file that is there was not used.
    pub problem: Option<String>,
}

/// What came of looking for the packed weights of a model; of one that was loaded without a folder for them, nothing.
#[napi]
pub(crate) fn packed_weights(runner: ClassInstance<'_, Runner>) -> Outcome<NativePackedWeights> {
    with_runner(&runner.inner, |runner| {
        let found = runner.packed_weights();
        Ok(NativePackedWeights {
            is_mapped: found.is_some_and(|found| found.is_mapped),
            problem: found.and_then(|found| found.problem.as_ref()).map(ToString::to_string),
        })
    })
}

/// Writes the weights of a model that were packed when it was loaded, for the next start, and gives how many bytes; 0 where nothing is to be
/// written. The model may run meanwhile.
#[napi(ts_return_type = "Promise<number | Failure>")]
pub(crate) fn write_packed_weights(runner: ClassInstance<'_, Runner>) -> AsyncTask<WritePackedWeights> {
    let unwritten = with_runner(&runner.inner, |runner| Ok(runner.take_unwritten_weights()));
    AsyncTask::new(WritePackedWeights { unwritten: Some(unwritten) })
}

/// The writing, on a thread of the pool.
pub(crate) struct WritePackedWeights {
    unwritten: Option<Outcome<Option<UnwrittenWeights>>>,
}

impl Task for WritePackedWeights {
    type Output = Outcome<f64>;
    type JsValue = Outcome<f64>;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(match self.unwritten.take() {
            None | Some(Outcome::A(None)) => Outcome::A(0.0),
            Some(Outcome::B(failure)) => Outcome::B(failure),
            Some(Outcome::A(Some(weights))) => {
                outcome(|| weights.write().map(|bytes| bytes as f64).map_err(RunnerError::from))
            }
        })
    }

    fn resolve(&mut self, _: Env, output: Self::Output) -> Result<Self::JsValue> {
        Ok(output)
    }
}
