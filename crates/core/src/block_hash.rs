//! The name of a full block: a keyed 128-bit hash of its tokens, of what else its KV depends on, and of the name of
//! the block before it, so that equal names mean equal prefixes.
//!
//! SipHash-2-4 with 128 bits of output, keyed by a secret of the process (Aumasson and Bernstein, "SipHash: a fast
//! short-input PRF", 2012): who does not know the secret cannot construct two prefixes with one name. What enters, in
//! this order: the parent's name (16 bytes), the number of tokens and the tokens (4 bytes each), and the digest of the
//! extra keys (16 bytes, zero without any). The digest covers every extra key that touches the block, each as length,
//! bytes and its start relative to the block; then, for the first block only, the cache salt.

use crate::request::ExtraKey;
use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher;

/// The name of a full block and of everything before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BlockHash(pub u128);

impl BlockHash {
    /// Parent of a sequence's first block.
    pub const NONE: Self = Self(0);
}

/// Makes the names of blocks.
#[derive(Clone, Debug)]
pub(crate) struct BlockHasher {
    keyed: SipHasher24,
}

impl BlockHasher {
    pub(crate) fn new(secret: &[u8; 16]) -> Self {
        Self { keyed: SipHasher24::new_with_key(secret) }
    }

    pub(crate) fn block(&self, parent: BlockHash, token_ids: &[i32], extra_digest: u128) -> BlockHash {
        let mut hasher = self.keyed;
        hasher.write(&parent.0.to_le_bytes());
        hasher.write(&(token_ids.len() as u32).to_le_bytes());
        let mut pairs = token_ids.chunks_exact(2);
        for pair in &mut pairs {
            let word = u64::from(pair[0] as u32) | u64::from(pair[1] as u32) << 32;
            hasher.write(&word.to_le_bytes());
        }
        for token_id in pairs.remainder() {
            hasher.write(&token_id.to_le_bytes());
        }
        hasher.write(&extra_digest.to_le_bytes());
        BlockHash(hasher.finish128().as_u128())
    }

    /// Digest of the extra keys of the block of tokens `start..end`; 0 without any.
    pub(crate) fn extra_digest(&self, keys: &[ExtraKey], salt: Option<&[u8]>, start: u32, end: u32) -> u128 {
        let mut hasher = self.keyed;
        let mut any = false;
        for key in keys.iter().filter(|key| key.start < end && start < key.end) {
            any = true;
            hasher.write(b"key");
            hasher.write(&(key.bytes.len() as u64).to_le_bytes());
            hasher.write(&key.bytes);
            hasher.write(&(i64::from(key.start) - i64::from(start)).to_le_bytes());
        }
        if let Some(salt) = salt.filter(|_| start == 0) {
            any = true;
            hasher.write(b"salt");
            hasher.write(&(salt.len() as u64).to_le_bytes());
            hasher.write(salt);
        }
        if any { hasher.finish128().as_u128() } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(bytes: &str, start: u32, end: u32) -> ExtraKey {
        ExtraKey { bytes: bytes.as_bytes().to_vec(), start, end }
    }

    #[test]
    fn everything_that_enters_matters() {
        let hasher = BlockHasher::new(&[7; 16]);
        let reference = hasher.block(BlockHash(1), &[1, 2, 3], 0);
        let rows = [
            ("another secret", BlockHasher::new(&[8; 16]).block(BlockHash(1), &[1, 2, 3], 0)),
            ("another parent", hasher.block(BlockHash(2), &[1, 2, 3], 0)),
            ("another token", hasher.block(BlockHash(1), &[1, 2, 4], 0)),
            ("another order", hasher.block(BlockHash(1), &[2, 1, 3], 0)),
            ("fewer tokens", hasher.block(BlockHash(1), &[1, 2], 0)),
            ("extra keys", hasher.block(BlockHash(1), &[1, 2, 3], 1)),
        ];
        for (what, hash) in rows {
            assert_ne!(hash, reference, "{what}");
        }
        assert_eq!(hasher.block(BlockHash(1), &[1, 2, 3], 0), reference);
    }

    #[test]
    fn extra_keys_touch_their_blocks_only() {
        let hasher = BlockHasher::new(&[7; 16]);
        let image = [key("cat.png", 6, 10)];
        let adapter = [key("lora", 0, u32::MAX)];
        let both = [adapter[0].clone(), image[0].clone()];
        let digest = |keys: &[ExtraKey], salt: Option<&str>, block: u32| {
            hasher.extra_digest(keys, salt.map(str::as_bytes), block * 4, block * 4 + 4)
        };
        // (keys, salt, block, touched)
        let rows: [(&[ExtraKey], Option<&str>, u32, bool); 9] = [
            (&[], None, 0, false),
            (&image, None, 0, false),
            (&image, None, 1, true),
            (&image, None, 2, true),
            (&image, None, 3, false),
            (&adapter, None, 0, true),
            (&adapter, None, 9, true),
            (&[], Some("user"), 0, true),
            (&[], Some("user"), 1, false),
        ];
        for (keys, salt, block, touched) in rows {
            assert_eq!(digest(keys, salt, block) != 0, touched, "{keys:?} {salt:?} {block}");
        }
        // The same image elsewhere in the block is something else, and so is any other combination.
        let different = [
            digest(&image, None, 1),
            digest(&[key("cat.png", 7, 10)], None, 1),
            digest(&[key("dog.png", 6, 10)], None, 1),
            digest(&adapter, None, 1),
            digest(&both, None, 1),
            digest(&image, Some("a"), 0),
            digest(&image, Some("b"), 0),
        ];
        for (index, one) in different.iter().enumerate() {
            assert!(!different[..index].contains(one), "{index}");
        }
    }
}
