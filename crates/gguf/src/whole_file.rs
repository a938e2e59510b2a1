//! A file that has its name only when it is complete.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::QuantiseError;

/// Has `write` fill a file beside `output`, which takes its place when it is whole and on disk, and gives its size. What is
/// left of one that could not be written is removed.
///
/// # Errors
/// Those of `write`; [`QuantiseError::Write`].
pub fn write_whole_file<E>(
    output: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), QuantiseError<E>>,
) -> Result<u64, QuantiseError<E>> {
    let partial = partial_path(output);
    let fill = || {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&partial).map_err(QuantiseError::Write)?);
        write(&mut out)?;
        let bytes = settle(out).map_err(QuantiseError::Write)?;
        std::fs::rename(&partial, output).map_err(QuantiseError::Write)?;
        Ok(bytes)
    };
    let written = fill();
    if written.is_err() {
        // That it can't be removed says nothing new.
        drop(std::fs::remove_file(&partial));
    }
    written
}

fn settle(out: BufWriter<File>) -> io::Result<u64> {
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// Beside the new file, so that renaming moves no bytes; of this process alone.
fn partial_path(output: &Path) -> PathBuf {
    let mut name = output.file_name().map_or_else(OsString::new, OsString::from);
    name.push(format!(".{}.partial", std::process::id()));
    output.with_file_name(name)
}
