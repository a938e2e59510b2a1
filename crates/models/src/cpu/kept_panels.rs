//! Matrices that an earlier load packed, in its order, and those that this one loads. Knows what each was packed of; must not know
//! where files are.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use quire_kernels::{KernelsError, MatrixSource, PackedMatrix, PanelMemory, ThreadPool};
use quire_weights::{PackedFile, PackedMatrixEntry};

use crate::MatrixPart;

/// Where a backend finds matrices that are packed already. One load has one.
#[derive(Default)]
pub struct KeptPanels {
    file: Option<PackedFile>,
    loaded: Mutex<LoadedPanels>,
}

/// The matrices of one load.
#[derive(Debug, Default)]
pub struct LoadedPanels {
    /// In the order of loading: what each was packed of, and its panels.
    pub matrices: Vec<(String, Vec<PanelMemory>)>,
    /// How many of them were packed before.
    pub num_kept: usize,
    /// Bytes of those.
    pub kept_bytes: usize,
}

impl KeptPanels {
    /// Those of `file`, or none.
    pub fn new(file: Option<PackedFile>) -> KeptPanels {
        KeptPanels { file, loaded: Mutex::default() }
    }

    /// How many the file has.
    pub fn num_matrices(&self) -> usize {
        self.file.as_ref().map_or(0, |file| file.matrices().len())
    }

    /// What was loaded so far, given up: the backend keeps nothing of it.
    pub fn take_loaded(&self) -> LoadedPanels {
        std::mem::take(&mut *self.loaded.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The next matrix: over the file's panels, if they were packed of the same, else packed now.
    pub(super) fn matrix(
        &self,
        pool: &ThreadPool,
        parts: &[MatrixPart<'_>],
        sources: &[MatrixSource<'_>],
    ) -> Result<PackedMatrix, KernelsError> {
        let description = describe(parts, sources);
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = match self.panels(loaded.matrices.len(), &description) {
            Some(panels) => PackedMatrix::of_panels(sources, &panels)?,
            None => None,
        };
        let packed = match kept {
            Some(kept) => {
                loaded.num_kept += 1;
                loaded.kept_bytes += kept.size_bytes();
                kept
            }
            None => PackedMatrix::pack(pool, sources)?,
        };
        loaded.matrices.push((description, packed.panels().cloned().collect()));
        Ok(packed)
    }

    fn panels(&self, index: usize, expected: &str) -> Option<Vec<PanelMemory>> {
        let file = self.file.as_ref()?;
        let PackedMatrixEntry { pieces, .. } =
            file.matrices().get(index).filter(|entry| entry.description == expected)?;
        pieces.iter().map(|piece| PanelMemory::new(Arc::clone(file.bytes()), piece.clone())).collect()
    }
}

impl std::fmt::Debug for KeptPanels {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("KeptPanels").field("num_matrices", &self.num_matrices()).finish_non_exhaustive()
    }
}

/// Names, formats and sizes, in the order of the parts.
fn describe(parts: &[MatrixPart<'_>], sources: &[MatrixSource<'_>]) -> String {
    let mut text = String::new();
    for (part, MatrixSource { stored, packed, order, num_outputs, num_inputs, importance, .. }) in
        parts.iter().zip(sources)
    {
        let weighed = if importance.is_some() { ", weighed" } else { "" };
        let written =
            write!(text, "{} {num_outputs}x{num_inputs} {order:?} {stored} as {packed}{weighed}; ", part.name);
        written.expect("text takes text; otherwise this is a bug");
    }
    text
}
