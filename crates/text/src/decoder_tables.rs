//! What turns ids into text, as bytes: for a thread that must not wait until a whole tokenizer has been read.
//! The bytes are of this build, for this build; they are no file format.

use serde::{Deserialize, Serialize};

use crate::decoder_plan::DecoderPlan;
use crate::error::TextError;
use crate::piece_table::PieceTable;
use crate::special_tokens::{SpecialTokens, TokenizerFlags};
use crate::tokenizer::Tokenizer;

/// Everything but the tables, in front of them as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DecoderHead {
    pub(crate) plan: DecoderPlan,
    pub(crate) tokens: SpecialTokens,
    pub(crate) flags: TokenizerFlags,
    pub(crate) bos_id: Option<i32>,
    pub(crate) eos_id: Option<i32>,
    pub(crate) pad_id: Option<i32>,
    pub(crate) unk_id: Option<i32>,
}

impl Tokenizer {
    /// What turns ids into text, for [`Tokenizer::from_decoder_tables`]; `None` where only the whole tokenizer can.
    #[must_use]
    pub fn decoder_tables(&self) -> Option<Vec<u8>> {
        let head = self.decoder_head().filter(|head| head.plan != DecoderPlan::Window)?;
        let names = PieceTable::of_names(self.pieces(), &head.plan, |id| self.id_to_piece(id));
        let head = serde_json::to_vec(&head).ok()?;
        let mut bytes = u32::try_from(head.len()).ok()?.to_le_bytes().to_vec();
        bytes.extend(head);
        self.pieces().write(&mut bytes);
        names.write(&mut bytes);
        Some(bytes)
    }

    /// A tokenizer without what turns text into ids: `encode` and its like are errors, all else is as it was.
    ///
    /// # Errors
    /// `InvalidTokenizer` if the bytes are not those of `decoder_tables`.
    pub fn from_decoder_tables(bytes: &[u8]) -> Result<Self, TextError> {
        read(bytes)
            .map(|(head, pieces, names)| Self::of_tables(head, pieces, names))
            .ok_or_else(|| TextError::InvalidTokenizer { reason: "these are no tables of a tokenizer".to_owned() })
    }
}

fn read(bytes: &[u8]) -> Option<(DecoderHead, PieceTable, PieceTable)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (head, mut rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let pieces = PieceTable::read(&mut rest)?;
    let names = PieceTable::read(&mut rest)?;
    let is_whole = rest.is_empty() && pieces.len() == names.len();
    Some((serde_json::from_slice(head).ok()?, pieces, names)).filter(|_| is_whole)
}
