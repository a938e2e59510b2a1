//! What every id adds to a text, computed once: one blob of bytes and an offset per id.
//! Streams read this table instead of asking the tokenizers library, which clones a string per question.

use tokenizers::Tokenizer as HfTokenizer;

use crate::decoder_plan::DecoderPlan;

const PRESENT: u8 = 1;
const SPECIAL: u8 = 2;
const ADDED: u8 = 4;
const BYTE: u8 = 8;

#[derive(Debug)]
pub(crate) struct PieceTable {
    /// `offsets[id]..offsets[id + 1]` in `blob`.
    offsets: Vec<u32>,
    blob: Vec<u8>,
    flags: Vec<u8>,
}

impl PieceTable {
    /// One entry for each id in 0..=largest id.
    pub(crate) fn build(hf: &HfTokenizer, plan: &DecoderPlan) -> Result<Self, String> {
        let vocab = hf.get_vocab(true);
        let num_ids = vocab.values().max().map_or(0, |&largest| largest as usize + 1);
        if num_ids > crate::tokenizer_limits::MAX_VOCABULARY {
            return Err(format!("the largest token id is {}", num_ids - 1));
        }
        drop(vocab);
        let added = hf.get_added_vocabulary();
        let added_ids = added.get_added_tokens_decoder();
        let mut table = Self { offsets: vec![0], blob: Vec::new(), flags: Vec::with_capacity(num_ids) };
        for id in 0..num_ids as u32 {
            let mut flags = 0;
            if let Some(piece) = hf.id_to_token(id) {
                flags = PRESENT;
                if added.is_special_token(&piece) {
                    flags |= SPECIAL;
                }
                if added_ids.contains_key(&id) {
                    flags |= ADDED;
                }
                if table.append(plan, &piece) {
                    flags |= BYTE;
                }
            }
            table.flags.push(flags);
            let end =
                u32::try_from(table.blob.len()).map_err(|_| "the vocabulary has over 4 GiB of text".to_owned())?;
            table.offsets.push(end);
        }
        Ok(table)
    }

    /// Appends what a piece adds in the middle of a text; true when it is one byte of a byte run.
    fn append(&mut self, plan: &DecoderPlan, piece: &str) -> bool {
        match plan {
            DecoderPlan::ByteLevel => append_byte_level(piece, &mut self.blob),
            DecoderPlan::ByteFallback { replacements, .. } => {
                let mut text = piece.to_owned();
                for (pattern, content) in replacements {
                    text = text.replace(pattern, content);
                }
                if let Some(byte) = fallback_byte(&text) {
                    self.blob.push(byte);
                    return true;
                }
                self.blob.extend_from_slice(text.as_bytes());
            }
            DecoderPlan::Metaspace { mark, .. } => {
                self.blob.extend_from_slice(piece.replace(*mark, " ").as_bytes());
            }
            DecoderPlan::WordPiece { .. } | DecoderPlan::Spaced | DecoderPlan::Window => {
                self.blob.extend_from_slice(later_text(plan, piece).as_bytes());
            }
        }
        false
    }

    /// The pieces as the vocabulary writes them, where `bytes` of `pieces` do not tell all that a stream must know.
    pub(crate) fn of_names(
        pieces: &PieceTable,
        plan: &DecoderPlan,
        name: impl Fn(i32) -> Option<String>,
    ) -> PieceTable {
        let num_ids = pieces.len();
        let mut names = Self { offsets: vec![0], blob: Vec::new(), flags: vec![0; num_ids] };
        for id in 0..num_ids as u32 {
            let is_asked_for = |name: &String| pieces.is_added(id) || first_text(plan, name).is_some();
            if let Some(name) = name(id as i32).filter(is_asked_for)
                && let Ok(end) = u32::try_from(names.blob.len() + name.len())
            {
                names.flags[id as usize] = PRESENT;
                names.blob.extend_from_slice(name.as_bytes());
                names.offsets.push(end);
            } else {
                names.offsets.push(names.offsets[id as usize]);
            }
        }
        names
    }

    /// Appends the table: the number of ids, the ends of their bytes, what they are, and the bytes.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.reserve(4 + 5 * self.len() + self.blob.len());
        out.extend((self.len() as u32).to_le_bytes());
        out.extend(self.offsets[1..].iter().flat_map(|end| end.to_le_bytes()));
        out.extend_from_slice(&self.flags);
        out.extend_from_slice(&self.blob);
    }

    /// Takes a table from the front of `bytes`; `None` if there is none.
    pub(crate) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (num_ids, rest) = bytes.split_first_chunk::<4>()?;
        let num_ids = u32::from_le_bytes(*num_ids) as usize;
        let (ends, rest) = rest.split_at_checked(num_ids.checked_mul(4)?)?;
        let (flags, rest) = rest.split_at_checked(num_ids)?;
        let ends = ends.chunks_exact(4).map(|end| u32::from_le_bytes([end[0], end[1], end[2], end[3]]));
        let offsets: Vec<u32> = std::iter::once(0).chain(ends).collect();
        let (blob, rest) = rest.split_at_checked(offsets[num_ids] as usize)?;
        *bytes = rest;
        offsets.is_sorted().then(|| Self { offsets, blob: blob.to_vec(), flags: flags.to_vec() })
    }

    pub(crate) fn len(&self) -> usize {
        self.flags.len()
    }

    pub(crate) fn bytes(&self, id: u32) -> Option<&[u8]> {
        let index = id as usize;
        if self.flags.get(index)? & PRESENT == 0 {
            return None;
        }
        self.blob.get(self.offsets[index] as usize..self.offsets[index + 1] as usize)
    }

    fn has(&self, id: u32, flag: u8) -> bool {
        self.flags.get(id as usize).is_some_and(|flags| flags & flag != 0)
    }

    pub(crate) fn is_special(&self, id: u32) -> bool {
        self.has(id, SPECIAL)
    }

    pub(crate) fn is_added(&self, id: u32) -> bool {
        self.has(id, ADDED)
    }

    pub(crate) fn is_byte(&self, id: u32) -> bool {
        self.has(id, BYTE)
    }
}

/// The text of a piece that is not the first of its text.
pub(crate) fn later_text(plan: &DecoderPlan, piece: &str) -> String {
    match plan {
        DecoderPlan::WordPiece { prefix, cleanup } => {
            let text = match piece.strip_prefix(prefix.as_str()) {
                Some(rest) => rest.to_owned(),
                None => format!(" {piece}"),
            };
            if *cleanup { tokenizers::decoders::wordpiece::cleanup(&text) } else { text }
        }
        DecoderPlan::Spaced => format!(" {piece}"),
        _ => piece.to_owned(),
    }
}

/// The text of the first piece of a text, where it differs from that of a later one.
pub(crate) fn first_text(plan: &DecoderPlan, piece: &str) -> Option<String> {
    match plan {
        DecoderPlan::WordPiece { cleanup: true, .. } => Some(tokenizers::decoders::wordpiece::cleanup(piece)),
        DecoderPlan::WordPiece { cleanup: false, .. } | DecoderPlan::Spaced => Some(piece.to_owned()),
        DecoderPlan::Metaspace { mark, keep_first: false } => Some(piece.replace(*mark, "")),
        _ => None,
    }
}

fn fallback_byte(piece: &str) -> Option<u8> {
    let hex = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    if hex.len() == 2 { u8::from_str_radix(hex, 16).ok() } else { None }
}

/// GPT-2 writes each byte as a printable character: the printable ones of Latin-1 as themselves, the others from U+0100 up.
fn append_byte_level(piece: &str, out: &mut Vec<u8>) {
    let start = out.len();
    for character in piece.chars() {
        match byte_of(character) {
            Some(byte) => out.push(byte),
            None => {
                // An added token with other characters stands for itself.
                out.truncate(start);
                out.extend_from_slice(piece.as_bytes());
                return;
            }
        }
    }
}

fn byte_of(character: char) -> Option<u8> {
    let code = character as u32;
    match code {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => Some(code as u8),
        0x100..=0x120 => Some((code - 0x100) as u8),
        0x121..=0x142 => Some((code - 0x121 + 0x7F) as u8),
        0x143 => Some(0xAD),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_character() {
        let mut seen = [0; 256];
        for code in 0..0x200 {
            if let Some(byte) = char::from_u32(code).and_then(byte_of) {
                seen[usize::from(byte)] += 1;
            }
        }
        assert!(seen.iter().all(|&count| count == 1), "{seen:?}");
        assert_eq!(byte_of('Ġ'), Some(b' '));
        assert_eq!(byte_of('Ċ'), Some(b'\n'));
    }
}
