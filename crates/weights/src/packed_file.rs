//! A file of matrices that were packed before, from which the next start maps them. Knows where it came from, descriptions and
//! bytes; must not know what panels look like.
//!
//! ```text
//! [8]   magic          [8]   bytes of the header        [8]   SipHash of the header
//! [n]   header, JSON: what it was made of, and where the memory of each matrix lies
//! [...] that memory, each piece at a multiple of 4 KiB
//! ```
//! The header is checked whole, of the memory only where it lies: reading gigabytes to sum them up is what the file is there to avoid.

use std::convert::Infallible;
use std::hash::Hasher;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use quire_gguf::{QuantiseError, write_whole_file};
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;

use crate::WeightsError;
use crate::mapped_file::MappedFile;
use crate::packed_origin::PackedOrigin;

const MAGIC: [u8; 8] = *b"QUIREPK1";

/// Magic, length and sum.
const PREFIX_BYTES: usize = 24;

/// A header of 1 000 000 matrices would be shorter.
const MAX_HEADER_BYTES: u64 = 256 << 20;

/// Where pieces of memory begin: pages of every system that maps them, and lines of every vector.
const PIECE_ALIGNMENT: usize = 4096;

/// Bytes that outlive their file's reader.
pub type SharedBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A file of packed matrices that is mapped.
pub struct PackedFile {
    map: SharedBytes,
    matrices: Vec<PackedMatrixEntry>,
}

/// One matrix of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedMatrixEntry {
    /// What it was packed of, and as what.
    pub description: String,
    /// Where its memory lies in the file, in bytes.
    pub pieces: Vec<Range<usize>>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    origin: PackedOrigin,
    matrices: Vec<PackedMatrixEntry>,
}

/// One matrix to be written: its description, and its memory.
pub type PackedPieces<'a> = (&'a str, Vec<&'a [u8]>);

impl PackedFile {
    /// Maps the file at `path`. `None` when none is there, or one of another origin.
    ///
    /// # Errors
    /// [`WeightsError::Io`]; [`WeightsError::InvalidPacked`] for a file that is none, is cut short or was changed.
    pub fn open(path: &Path, origin: &PackedOrigin) -> Result<Option<PackedFile>, WeightsError> {
        let file = match MappedFile::open(path) {
            Err(WeightsError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let header = read_header(file.bytes()?)
            .map_err(|problem| WeightsError::InvalidPacked { path: path.to_path_buf(), problem })?;
        Ok((header.origin == *origin).then(|| PackedFile { map: file.share(), matrices: header.matrices }))
    }

    /// The matrices, in the order in which they were written. Their pieces lie inside [`bytes`](PackedFile::bytes).
    pub fn matrices(&self) -> &[PackedMatrixEntry] {
        &self.matrices
    }

    /// The whole file.
    pub fn bytes(&self) -> &SharedBytes {
        &self.map
    }

    /// Writes a file to `path`, in place of the one there once it is whole and on disk, and gives its size. Who has mapped the other keeps
    /// it. The folder is made where there is none.
    ///
    /// # Errors
    /// [`WeightsError::NotWritten`].
    pub fn write(path: &Path, origin: &PackedOrigin, matrices: &[PackedPieces<'_>]) -> Result<u64, WeightsError> {
        let refused = |source| WeightsError::NotWritten { path: path.to_path_buf(), source };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(refused)?;
        }
        let (prefix, places) = lay_out(origin, matrices).map_err(refused)?;
        let written = write_whole_file::<Infallible>(path, |out| {
            let mut at = 0;
            let mut put = |out: &mut dyn Write, start: usize, bytes: &[u8]| {
                io::copy(&mut io::Read::take(io::repeat(0), (start - at) as u64), out)?;
                at = start + bytes.len();
                out.write_all(bytes)
            };
            put(out, 0, &prefix).map_err(QuantiseError::Write)?;
            let pieces = matrices.iter().flat_map(|(_, pieces)| pieces);
            for (piece, start) in pieces.zip(places) {
                put(out, start, piece).map_err(QuantiseError::Write)?;
            }
            Ok(())
        });
        written.map_err(|error| match error {
            QuantiseError::Write(source) => refused(source),
            other => refused(io::Error::other(other.to_string())),
        })
    }
}

/// Magic, length, sum and header, and where each piece begins.
fn lay_out(origin: &PackedOrigin, matrices: &[PackedPieces<'_>]) -> io::Result<(Vec<u8>, Vec<usize>)> {
    // The header says where the pieces are behind it, and is longer the further away they are: begin where any header ends.
    let mut longest = 0;
    loop {
        let mut end = (PREFIX_BYTES + longest).next_multiple_of(PIECE_ALIGNMENT);
        let mut place = |bytes: &&[u8]| {
            let start = end;
            end = (start + bytes.len()).next_multiple_of(PIECE_ALIGNMENT);
            start..start + bytes.len()
        };
        let entries: Vec<PackedMatrixEntry> = matrices
            .iter()
            .map(|(description, pieces)| PackedMatrixEntry {
                description: (*description).to_owned(),
                pieces: pieces.iter().map(&mut place).collect(),
            })
            .collect();
        let places = entries.iter().flat_map(|entry| entry.pieces.iter().map(|piece| piece.start)).collect();
        let header = serde_json::to_vec(&Header { origin: origin.clone(), matrices: entries })?;
        if header.len() <= longest {
            let sum = sum_of(&header);
            let prefix = [&MAGIC, &(header.len() as u64).to_le_bytes(), &sum.to_le_bytes(), header.as_slice()].concat();
            return Ok((prefix, places));
        }
        longest = header.len() + PIECE_ALIGNMENT;
    }
}

fn read_header(bytes: &[u8]) -> Result<Header, &'static str> {
    let (prefix, rest) = bytes.split_first_chunk::<PREFIX_BYTES>().ok_or("is shorter than any")?;
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|index| prefix[at + index]));
    if !prefix.starts_with(&MAGIC) {
        return Err("does not begin as one");
    }
    let len = Some(number(8)).filter(|&len| len <= MAX_HEADER_BYTES).ok_or("has a header that is too long")?;
    let header = rest.get(..len as usize).ok_or("ends within its header")?;
    if sum_of(header) != number(16) {
        return Err("has a header that was changed");
    }
    let header: Header = serde_json::from_slice(header).map_err(|_| "has a header that can't be read")?;
    let inside =
        |piece: &Range<usize>| piece.start.is_multiple_of(PIECE_ALIGNMENT) && bytes.get(piece.clone()).is_some();
    if !header.matrices.iter().flat_map(|matrix| &matrix.pieces).all(inside) {
        return Err("is shorter than its header says");
    }
    Ok(header)
}

fn sum_of(header: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new();
    hasher.write(header);
    hasher.finish()
}
