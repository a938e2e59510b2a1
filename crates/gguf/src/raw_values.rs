//! The values of a header as the bytes that they are, so that a file's metadata can be carried into another unchanged.

use std::ops::Range;

use crate::byte_reader::{ByteReader, Stop};
use crate::metadata::{prologue, read_value};
use crate::{GgufHeader, GgufProblem};

/// Keys and where they lie with their values in `start`, which has the whole of the header.
pub(crate) fn raw_values(header: &GgufHeader, start: &[u8]) -> Result<Vec<(String, Range<usize>)>, GgufProblem> {
    let mut reader = ByteReader::new(start.get(..header.header_bytes).unwrap_or(start));
    read(&mut reader).map_err(|stop| match stop {
        Stop::Problem(problem) => problem,
        Stop::More(part) => GgufProblem::Truncated { file_bytes: start.len() as u64, part },
    })
}

fn read(reader: &mut ByteReader<'_>) -> Result<Vec<(String, Range<usize>)>, Stop> {
    let prologue = prologue(reader)?;
    let mut values = Vec::new();
    for _ in 0..prologue.num_values {
        let begin = reader.position();
        let key = reader.name("a key")?;
        let number = reader.u32()?;
        read_value(reader, &key, number)?;
        values.push((key, begin..reader.position()));
    }
    Ok(values)
}
