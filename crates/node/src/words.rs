//! Bytes of JavaScript's typed arrays as the words that they are. A typed array starts where its elements are aligned, so
//! only a caller that passes something else can fail here.

use bytemuck::Pod;

use crate::failure::Failure;

/// The elements of a typed array that was passed as its bytes.
pub(crate) fn elements<T: Pod>(bytes: &[u8]) -> Result<&[T], Failure> {
    if bytes.is_empty() {
        return Ok(&[]); // an empty array may have no address, and so no alignment
    }
    bytemuck::try_cast_slice(bytes).map_err(Failure::bug)
}

/// The same, to be written.
pub(crate) fn elements_mut<T: Pod>(bytes: &mut [u8]) -> Result<&mut [T], Failure> {
    if bytes.is_empty() {
        return Ok(&mut []);
    }
    bytemuck::try_cast_slice_mut(bytes).map_err(Failure::bug)
}

/// Copies `source` to the start of a typed array that JavaScript allocated; gives the number of elements.
pub(crate) fn fill<T: Pod>(target: &mut [u8], source: &[T]) -> Result<u32, Failure> {
    let target: &mut [T] = elements_mut(target)?;
    let given = target.len();
    let target = target
        .get_mut(..source.len())
        .ok_or_else(|| Failure::bug(format!("{} elements do not fit into an array of {given}", source.len())))?;
    target.copy_from_slice(source);
    Ok(source.len() as u32)
}
