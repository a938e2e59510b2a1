//! Memory that another process maps too: a file in a folder of shared memory, every page of it reserved when it is made.
//!
//! The one place where an external buffer is made: JavaScript writes batches and reads logits where the other process
//! reads and writes them, without a copy. A runtime that forbids external buffers gets a failure.

use std::fs::{File, OpenOptions, remove_file};
use std::io::{Error, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::{MmapOptions, MmapRaw};
use napi::Env;
use napi::bindgen_prelude::ArrayBuffer;
use napi_derive::napi;
use serde_json::json;

use crate::failure::{Failure, Outcome, outcome};

static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// A mapped file; the mapping lives until the last array over it is collected.
#[napi]
pub struct SharedMemory {
    map: Arc<MmapRaw>,
}

#[napi]
impl SharedMemory {
    /// Makes the file `path`, which must not exist, of `byte_length` zero bytes, for this user alone.
    #[napi]
    pub fn create(path: String, byte_length: i64) -> Outcome<SharedMemory> {
        outcome(|| {
            let path = PathBuf::from(path);
            let map = create(&path, byte_length).map_err(|error| failure(&path, byte_length, &error))?;
            Ok::<_, Failure>(SharedMemory { map: Arc::new(map) })
        })
    }

    /// All bytes, without a copy.
    #[napi]
    pub fn bytes<'env>(&self, env: &'env Env) -> Outcome<ArrayBuffer<'env>> {
        outcome(|| {
            let start = self.map.as_mut_ptr();
            let kept = Arc::clone(&self.map);
            // SAFETY: the mapping has `len` bytes and is kept by the closure until the array is collected. The other process
            // writes there only while a step runs, during which nothing here reads.
            #[expect(unsafe_code, reason = "the memory is the mapping's")]
            let buffer = unsafe { ArrayBuffer::from_external(env, start, self.map.len(), kept, |_, kept| drop(kept)) };
            let buffer = buffer.map_err(Failure::bug)?;
            if !std::ptr::eq(buffer.as_ptr(), start) {
                let message = "This JavaScript runtime allows no memory shared with another process";
                return Err(Failure::new("ERR_NOT_SUPPORTED", message, json!({})));
            }
            Ok(buffer)
        })
    }
}

/// Pages are written once, so that a full file system is an error here and not a signal in the middle of a step.
fn create(path: &Path, byte_length: i64) -> Result<MmapRaw, Error> {
    let length = usize::try_from(byte_length).ok().filter(|&length| length > 0).ok_or(ErrorKind::InvalidInput)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let mapped = reserve(&mut file, length).and_then(|()| MmapOptions::new().len(length).map_raw(&file));
    if mapped.is_err() {
        remove_file(path)?; // not whole: nobody else shall find it
    }
    mapped
}

/// Asks first: a folder of shared memory is memory, and filling it in vain would take it from everybody.
fn reserve(file: &mut File, length: usize) -> Result<(), Error> {
    #[cfg(unix)]
    {
        let space = rustix::fs::fstatvfs(&*file)?;
        if space.f_bavail.saturating_mul(space.f_frsize) < length as u64 {
            return Err(ErrorKind::StorageFull.into());
        }
    }
    let mut left = length;
    while left > 0 {
        let chunk = left.min(ZEROS.len());
        file.write_all(&ZEROS[..chunk])?;
        left -= chunk;
    }
    Ok(())
}

fn failure(path: &Path, byte_length: i64, error: &Error) -> Failure {
    let details = json!({ "path": path, "neededBytes": byte_length });
    let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::OutOfMemory | ErrorKind::QuotaExceeded);
    if full {
        let message = format!(
            "Shared memory is full: {byte_length} bytes are needed in {}. Give it more room (in a container: --shm-size), set \
             QUIRE_SHARED_MEMORY to another folder, or lower maxNumSeqs.",
            path.parent().unwrap_or(path).display(),
        );
        return Failure::new("ERR_OUT_OF_MEMORY", message, details);
    }
    let message = format!("Shared memory of {byte_length} bytes cannot be made at {}: {error}", path.display());
    Failure::new("ERR_RUNNER", message, details)
}
