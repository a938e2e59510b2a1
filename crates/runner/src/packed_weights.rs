//! The file of packed weights that the next start maps: looked for before a model is loaded, written afterwards. That it can't be read or
//! written keeps no model from being loaded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quire_kernels::{ElementType, PANEL_VERSION, PanelMemory};
use quire_models::{KeptPanels, LoadedPanels, Quantization};
use quire_weights::{NotedFiles, PackedFile, PackedOrigin, PackedPieces, WeightsError};

use crate::{BackendKind, RunnerError, RunnerOptions};

/// A folder's file for the model that is being loaded.
pub(crate) struct PackedWeightsFile {
    place: Option<(PathBuf, PackedOrigin)>,
    panels: Arc<KeptPanels>,
    problem: Option<WeightsError>,
}

/// What came of looking for packed weights.
#[derive(Debug)]
pub struct PackedWeights {
    /// All matrices are those of the file, which is mapped.
    pub is_mapped: bool,
    /// Why the file that is there was not used, or none can be.
    pub problem: Option<WeightsError>,
    /// Bytes that are mapped: in memory when they have been read, and free as the system counts.
    pub mapped_bytes: usize,
    pub(crate) unwritten: Option<UnwrittenWeights>,
}

/// Weights that were packed and are in no file yet. They share the model's memory, which is there until both are gone.
#[derive(Debug)]
pub struct UnwrittenWeights {
    path: PathBuf,
    origin: PackedOrigin,
    matrices: Vec<(String, Vec<PanelMemory>)>,
}

impl PackedWeightsFile {
    /// The one for the model whose files were read, if the options name a folder.
    pub(crate) fn wanted(
        options: &RunnerOptions,
        files: &NotedFiles<'_>,
        dtype: ElementType,
    ) -> Result<Option<Self>, RunnerError> {
        let Some(folder) = &options.packed_weights_cache else { return Ok(None) };
        if options.backend != BackendKind::Cpu {
            return Err(RunnerError::UnusedPackedWeights);
        }
        if let Some(imatrix) = &options.imatrix {
            files.note(imatrix);
        }
        Ok(Some(Self::find(folder, files, dtype, options.quantization)))
    }

    /// Looks in `folder` for what the files that were read pack to.
    fn find(folder: &Path, files: &NotedFiles<'_>, dtype: ElementType, quantization: Quantization) -> Self {
        let (version, machine) = (env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
        let packing = format!("{version}, panels {PANEL_VERSION}, {machine}: {dtype}, {quantization:?}");
        let (file, place, problem) = match files.origin(packing) {
            Err(problem) => (None, None, Some(problem)),
            Ok(origin) => {
                let path = folder.join(origin.file_name());
                let opened = PackedFile::open(&path, &origin);
                let place = Some((path, origin));
                match opened {
                    Ok(file) => (file, place, None),
                    Err(problem) => (None, place, Some(problem)),
                }
            }
        };
        PackedWeightsFile { place, panels: Arc::new(KeptPanels::new(file)), problem }
    }

    /// Where the backend takes matrices from.
    pub(crate) fn panels(&self) -> &Arc<KeptPanels> {
        &self.panels
    }

    /// What came of it, once the model is loaded.
    pub(crate) fn finish(self) -> PackedWeights {
        let LoadedPanels { matrices, num_kept, kept_bytes } = self.panels.take_loaded();
        let is_mapped = num_kept == matrices.len() && num_kept == self.panels.num_matrices();
        let unwritten = self.place.filter(|_| !is_mapped);
        let unwritten = unwritten.map(|(path, origin)| UnwrittenWeights { path, origin, matrices });
        PackedWeights { is_mapped, problem: self.problem, mapped_bytes: kept_bytes, unwritten }
    }
}

impl UnwrittenWeights {
    /// Writes the file that the next start maps, and gives its size in bytes.
    ///
    /// # Errors
    /// [`WeightsError::NotWritten`].
    pub fn write(self) -> Result<u64, WeightsError> {
        let matrices: Vec<PackedPieces<'_>> = self
            .matrices
            .iter()
            .map(|(description, panels)| (description.as_str(), panels.iter().map(PanelMemory::bytes).collect()))
            .collect();
        PackedFile::write(&self.path, &self.origin, &matrices)
    }
}
