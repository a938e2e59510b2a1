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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fill_copies_or_says_what_does_not_fit() {
        let mut target = [0i32; 3];
        assert!(matches!(fill(bytemuck::cast_slice_mut(&mut target), &[7i32, 8]), Ok(2)));
        assert_eq!(target, [7, 8, 0]);
        let failure = fill(bytemuck::cast_slice_mut(&mut target), &[1i32; 4]).expect_err("4 do not fit into 3");
        assert_eq!(failure.code, "ERR_INTERNAL");
    }

    #[test]
    fn an_empty_array_has_no_elements_wherever_it_lies() {
        let mut bytes = [0u8; 5];
        assert!(matches!(elements::<i32>(&bytes[1..1]), Ok([])));
        assert!(matches!(elements_mut::<f32>(&mut bytes[3..3]), Ok([])));
    }

    #[test]
    fn bytes_that_are_not_words_are_refused() {
        let words = [0i32; 2];
        let bytes: &[u8] = bytemuck::cast_slice(&words);
        assert!(elements::<i32>(&bytes[1..5]).is_err());
        assert!(elements::<i32>(&bytes[..3]).is_err());
        assert!(elements::<i32>(&bytes[1..1]).is_ok_and(<[i32]>::is_empty));
    }
}
