//! Zeroed memory for weights, caches and scratch, aligned for vectors and, when large, laid on huge pages.
//! Knows bytes and plain numbers, no tensors.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    ptr::NonNull,
    slice,
};

use half::{bf16, f16};

use crate::KernelsError;
#[cfg(target_arch = "wasm32")]
use crate::untouched_pages;

/// Alignment of every buffer: one cache line, one AVX-512 vector.
pub(crate) const ALIGNMENT_BYTES: usize = 64;

/// Size and alignment of a huge page; buffers of at least one are mapped on them.
const HUGE_PAGE_BYTES: usize = 2 << 20;

mod sealed {
    pub trait Sealed {}
}

/// A number that any bit pattern is a value of, and that has no padding.
///
/// Sealed: implemented for `u8`, `u16`, `i32`, `f32`, `f16` and `bf16`.
pub trait Element: sealed::Sealed + Copy + Send + Sync + 'static {}

macro_rules! element {
    ($($type:ty),*) => { $(impl sealed::Sealed for $type {} impl Element for $type {})* };
}
element!(u8, u16, i32, f32, f16, bf16);

/// An owned, zeroed, 64-byte aligned run of bytes; from 2 MiB on it is 2 MiB aligned where there are huge pages, and asks for them.
pub struct AlignedBuffer {
    start: NonNull<u8>,
    len_bytes: usize,
    origin: Origin,
}

/// Who gave the memory, and so who takes it back.
enum Origin {
    Empty,
    Heap(Layout),
    #[cfg(unix)]
    Mapping,
    #[cfg(target_arch = "wasm32")]
    Pages,
}

// SAFETY: the buffer owns its memory alone, and shared references only read it.
unsafe impl Send for AlignedBuffer {}
// SAFETY: as above; all writing goes through `&mut self`.
unsafe impl Sync for AlignedBuffer {}

impl AlignedBuffer {
    /// Zeroed memory of `len_bytes` bytes. Large buffers are not touched where the system has zeroed pages for them, so that pages
    /// appear when first written; in WebAssembly they are.
    ///
    /// # Errors
    /// [`KernelsError::OutOfMemory`] when the system refuses; never aborts.
    pub fn zeroed(len_bytes: usize) -> Result<AlignedBuffer, KernelsError> {
        let out_of_memory = || KernelsError::OutOfMemory { bytes: len_bytes };
        if len_bytes == 0 {
            let start = NonNull::<Line>::dangling().cast();
            return Ok(AlignedBuffer { start, len_bytes, origin: Origin::Empty });
        }
        #[cfg(unix)]
        if len_bytes >= HUGE_PAGE_BYTES {
            let start = map_huge(len_bytes).ok_or_else(out_of_memory)?;
            return Ok(AlignedBuffer { start, len_bytes, origin: Origin::Mapping });
        }
        let has_huge_pages = cfg!(not(target_family = "wasm")) && len_bytes >= HUGE_PAGE_BYTES;
        let alignment = if has_huge_pages { HUGE_PAGE_BYTES } else { ALIGNMENT_BYTES };
        let layout = Layout::from_size_align(len_bytes, alignment).map_err(|_| out_of_memory())?;
        // SAFETY: the layout's size is not zero.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or_else(out_of_memory)?;
        Ok(AlignedBuffer { start, len_bytes, origin: Origin::Heap(layout) })
    }

    /// The same for what may never be filled: large buffers are not touched in WebAssembly either. There they cannot be where others
    /// have been, so that memory which is written anyway had better be [`zeroed`](AlignedBuffer::zeroed).
    ///
    /// # Errors
    /// As [`AlignedBuffer::zeroed`].
    pub fn untouched(len_bytes: usize) -> Result<AlignedBuffer, KernelsError> {
        #[cfg(target_arch = "wasm32")]
        if let Some(start) = untouched_pages::take(len_bytes) {
            return Ok(AlignedBuffer { start, len_bytes, origin: Origin::Pages });
        }
        AlignedBuffer::zeroed(len_bytes)
    }

    /// Zeroed memory for `count` elements of type `T`.
    ///
    /// # Errors
    /// [`KernelsError::SizeOverflow`] when the size leaves the address space, else as [`AlignedBuffer::zeroed`].
    pub fn zeroed_elements<T: Element>(count: usize) -> Result<AlignedBuffer, KernelsError> {
        let element_bytes = size_of::<T>();
        let len_bytes = count.checked_mul(element_bytes).ok_or(KernelsError::SizeOverflow { count, element_bytes })?;
        AlignedBuffer::zeroed(len_bytes)
    }

    /// Length in bytes.
    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// The bytes as elements; a remainder too short for one is left out.
    pub fn elements<T: Element>(&self) -> &[T] {
        // SAFETY: the memory is initialised, lives as long as self, is aligned for T, and any bits are a T.
        unsafe { slice::from_raw_parts(self.start.cast().as_ptr(), self.len_bytes / size_of::<T>()) }
    }

    /// The bytes as mutable elements; a remainder too short for one is left out.
    pub fn elements_mut<T: Element>(&mut self) -> &mut [T] {
        // SAFETY: as in `elements`, and `&mut self` makes the access exclusive.
        unsafe { slice::from_raw_parts_mut(self.start.cast().as_ptr(), self.len_bytes / size_of::<T>()) }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.elements()
    }

    /// The bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.elements_mut()
    }
}

impl AsRef<[u8]> for AlignedBuffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl std::fmt::Debug for AlignedBuffer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("AlignedBuffer").field("len_bytes", &self.len_bytes).finish_non_exhaustive()
    }
}

impl Drop for AlignedBuffer {
    fn drop(&mut self) {
        match self.origin {
            Origin::Empty => {}
            // SAFETY: `start` came from `alloc_zeroed` with this layout and is freed once.
            Origin::Heap(layout) => unsafe { dealloc(self.start.as_ptr(), layout) },
            #[cfg(unix)]
            Origin::Mapping => {
                // SAFETY: the mapping starts here, has this length (rounded up to pages as mmap did), and is unmapped once.
                unsafe { libc::munmap(self.start.as_ptr().cast(), self.len_bytes) };
            }
            #[cfg(target_arch = "wasm32")]
            Origin::Pages => untouched_pages::give_back(self.start, self.len_bytes),
        }
    }
}

/// One cache line; gives an aligned dangling pointer.
#[repr(align(64))]
struct Line;

/// Maps zeroed pages at a multiple of 2 MiB and asks for huge pages where the system takes advice of them; the unaligned margins are given
/// back. Where there are no such pages, the allocator of Rust writes the zeros itself, which makes all of it resident.
#[cfg(unix)]
fn map_huge(len_bytes: usize) -> Option<NonNull<u8>> {
    // A mapping ends at a page, so round the length up before cutting the tail off.
    let page_bytes = 1 << 16;
    let mapped_bytes = len_bytes.checked_next_multiple_of(page_bytes)?;
    let reserved_bytes = mapped_bytes.checked_add(HUGE_PAGE_BYTES)?;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: an anonymous mapping at an address of the kernel's choice touches no memory of ours.
    let reserved = unsafe { libc::mmap(std::ptr::null_mut(), reserved_bytes, protection, flags, -1, 0) };
    if reserved == libc::MAP_FAILED {
        return None;
    }
    let reserved: *mut u8 = reserved.cast();
    let head_bytes = reserved.align_offset(HUGE_PAGE_BYTES);
    let tail_bytes = reserved_bytes - head_bytes - mapped_bytes;
    // SAFETY: head, body and tail lie inside the mapping just made, head and tail are page multiples, and nothing
    // points into them. A refused advice leaves small pages, which is slower but right.
    unsafe {
        let start = reserved.add(head_bytes);
        if head_bytes > 0 {
            libc::munmap(reserved.cast(), head_bytes);
        }
        if tail_bytes > 0 {
            libc::munmap(start.add(mapped_bytes).cast(), tail_bytes);
        }
        #[cfg(target_os = "linux")]
        libc::madvise(start.cast(), mapped_bytes, libc::MADV_HUGEPAGE);
        NonNull::new(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_zeroed_and_aligned() {
        for (len_bytes, alignment) in
            [(0, 64), (1, 64), (4097, 64), (HUGE_PAGE_BYTES - 1, 64), (HUGE_PAGE_BYTES + 5, HUGE_PAGE_BYTES)]
        {
            let mut buffer = AlignedBuffer::zeroed(len_bytes).expect("memory");
            assert_eq!(buffer.bytes().len(), len_bytes);
            assert!(buffer.bytes().iter().all(|&byte| byte == 0));
            assert_eq!(buffer.bytes().as_ptr() as usize % alignment, 0, "{len_bytes} bytes");
            buffer.bytes_mut().fill(7);
            assert!(buffer.bytes().iter().all(|&byte| byte == 7));
            assert_eq!(buffer.elements::<f32>().len(), len_bytes / 4);
        }
    }

    #[test]
    fn refused_memory_is_an_error() {
        for bytes in [usize::MAX, usize::MAX / 2, 1 << 60] {
            match AlignedBuffer::zeroed(bytes) {
                Err(KernelsError::OutOfMemory { bytes: told }) => assert_eq!(told, bytes),
                other => panic!("{bytes} bytes gave {other:?}"),
            }
        }
        let error = AlignedBuffer::zeroed_elements::<f32>(usize::MAX / 2);
        assert!(matches!(error, Err(KernelsError::SizeOverflow { element_bytes: 4, .. })), "{error:?}");
    }
}
