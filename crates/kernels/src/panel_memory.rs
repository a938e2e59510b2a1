//! The memory that panels lie in: packed here, or a part of what somebody else holds, such as a mapped file.

use std::{fmt, ops::Range, sync::Arc};

use crate::{AlignedBuffer, aligned_buffer::ALIGNMENT_BYTES};

/// Bytes that nobody writes any more; clones are the same memory, which lasts as long as any of them.
#[derive(Clone)]
pub struct PanelMemory {
    owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
}

impl PanelMemory {
    /// The bytes `range` of what `owner` holds; `None` where they are not all there, or do not begin at a multiple of 64.
    pub fn new(owner: Arc<dyn AsRef<[u8]> + Send + Sync>, range: Range<usize>) -> Option<PanelMemory> {
        let start = (*owner).as_ref().get(range.clone())?.as_ptr();
        start.addr().is_multiple_of(ALIGNMENT_BYTES).then_some(PanelMemory { owner, range })
    }

    pub(crate) fn of(buffer: AlignedBuffer) -> PanelMemory {
        let range = 0..buffer.len_bytes();
        PanelMemory { owner: Arc::new(buffer), range }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &(*self.owner).as_ref()[self.range.clone()]
    }
}

impl fmt::Debug for PanelMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PanelMemory").field("len_bytes", &self.range.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_inside_and_aligned() {
        let mut buffer = AlignedBuffer::zeroed(256).expect("memory");
        buffer.bytes_mut()[64..].fill(3);
        let owner: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::new(buffer);
        let part = |range| PanelMemory::new(Arc::clone(&owner), range);
        assert_eq!(part(64..74).expect("inside").bytes(), [3; 10]);
        assert_eq!(part(256..256).expect("empty").bytes(), [0; 0]);
        assert!(part(64..257).is_none(), "past the end");
        #[expect(clippy::reversed_empty_ranges, reason = "what a file may say")]
        let backwards = part(128..64);
        assert!(backwards.is_none(), "backwards");
        assert!(part(32..64).is_none(), "not aligned");
    }
}
