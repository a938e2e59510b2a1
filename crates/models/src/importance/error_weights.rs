//! How much errors in a model's matrices count when they are quantised on load: an importance matrix, by the names of a checkpoint.

use std::sync::atomic::{AtomicBool, Ordering};

use quire_gguf::{Architecture, ImportanceError, ImportanceMatrix};

/// An importance matrix and the architecture that tells its names.
#[derive(Debug)]
pub struct ErrorWeights {
    matrix: ImportanceMatrix,
    architecture: Architecture,
    /// Whether it had anything of a matrix that was asked for.
    is_known: AtomicBool,
}

impl ErrorWeights {
    /// `matrix` for a model of a class of transformers.
    ///
    /// # Errors
    /// [`ImportanceError::NoNames`].
    pub fn new(matrix: ImportanceMatrix, class: &str) -> Result<ErrorWeights, ImportanceError> {
        let no_names = || ImportanceError::NoNames { architecture: class.to_string() };
        let architecture = Architecture::of_class(class).ok_or_else(no_names)?;
        Ok(ErrorWeights { matrix, architecture, is_known: AtomicBool::new(false) })
    }

    /// What the columns of a matrix count that the checkpoint calls `name`, about 1 each; `None` where nothing is known.
    ///
    /// # Errors
    /// It is known, and has other columns or fewer experts.
    pub(crate) fn columns(&self, name: &str, num_inputs: usize) -> Result<Option<&[f32]>, ImportanceError> {
        let Some((tensor, expert)) = self.architecture.ggml_name(name) else { return Ok(None) };
        if self.matrix.contains(&tensor) {
            self.is_known.store(true, Ordering::Relaxed);
        }
        self.matrix.checked_columns(&tensor, expert.unwrap_or(0), num_inputs)
    }

    /// Checks, once all matrices are loaded, that it had anything of one of them.
    ///
    /// # Errors
    /// [`ImportanceError::OtherModel`].
    pub fn check_known(&self) -> Result<(), ImportanceError> {
        if self.is_known.load(Ordering::Relaxed) { Ok(()) } else { self.matrix.check(&[]) }
    }
}
