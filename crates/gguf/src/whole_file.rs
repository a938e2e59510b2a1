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
    let (partial, file) = create_partial(output).map_err(QuantiseError::Write)?;
    let fill = || {
        let mut out = BufWriter::with_capacity(1 << 20, file);
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

/// Beside the new file, so that renaming moves no bytes; of this call alone.
fn create_partial(output: &Path) -> io::Result<(PathBuf, File)> {
    let mut number = 0_u64;
    loop {
        let mut name = output.file_name().map_or_else(OsString::new, OsString::from);
        name.push(format!(".{}-{number}.partial", std::process::id()));
        let partial = output.with_file_name(name);
        match File::create_new(&partial) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            created => return created.map(|file| (partial, file)),
        }
    }
}
