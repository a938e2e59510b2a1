//! Reads input batches, from whoever wrote them: nothing is believed before it is checked.

use super::error::InputBatchError;
use super::layout;
use crate::ids::SequenceId;

/// One input batch, borrowed and validated: every section lies inside the buffer, and every number agrees with the
/// others (starts ascend, tokens lie in the blocks that the tables name, logits belong to the rows that want them).
/// What a view cannot know is checked by its reader: whether token ids are in the vocabulary, and
/// [`max_block_id`](Self::max_block_id) against the blocks that exist.
#[derive(Clone, Copy, Debug)]
pub struct InputBatchView<'a> {
    words: &'a [i32],
    lengths: [usize; layout::SECTIONS.len()],
    max_block_id: u32,
}

impl<'a> InputBatchView<'a> {
    /// Validates the buffer; words behind the batch's own total are ignored.
    ///
    /// # Errors
    /// [`InputBatchError`] with the place of the first thing found wrong.
    pub fn new(words: &'a [i32]) -> Result<Self, InputBatchError> {
        if words.len() < layout::HEADER_WORDS {
            return Err(InputBatchError::TooShort { words: words.len(), needed: layout::HEADER_WORDS });
        }
        if words[layout::MAGIC_WORD] != layout::MAGIC {
            return Err(InputBatchError::WrongMagic { found: words[layout::MAGIC_WORD], expected: layout::MAGIC });
        }
        if words[layout::VERSION_WORD] != layout::VERSION {
            let found = words[layout::VERSION_WORD];
            return Err(InputBatchError::WrongVersion { found, expected: layout::VERSION });
        }
        let size = |word: usize, least: i32| {
            let value = words[word];
            if value < least { Err(InputBatchError::BadHeader { word, value }) } else { Ok(value as usize) }
        };
        let total = size(layout::TOTAL_WORDS, layout::HEADER_WORDS as i32)?;
        if total > words.len() {
            return Err(InputBatchError::TooShort { words: words.len(), needed: total });
        }
        size(layout::STEP_ID, 0)?;
        let num_tokens = size(layout::NUM_TOKENS, 0)?;
        let num_rows = size(layout::NUM_ROWS, 0)?;
        let num_logits = size(layout::NUM_LOGITS, 0)?;
        let stride = size(layout::BLOCK_TABLE_STRIDE, 0)?;
        size(layout::BLOCK_SIZE, 1)?;
        if words[layout::FLAGS] & !(layout::FLAG_HOST_SAMPLING | layout::FLAG_SAMPLES) != 0 {
            return Err(InputBatchError::BadHeader { word: layout::FLAGS, value: words[layout::FLAGS] });
        }
        for (word, &value) in words.iter().enumerate().take(layout::HEADER_WORDS).skip(layout::FIRST_RESERVED) {
            if value != 0 {
                return Err(InputBatchError::BadHeader { word, value });
            }
        }

        let words = &words[..total];
        let mut lengths = [0; layout::SECTIONS.len()];
        let mut end = layout::HEADER_WORDS;
        for (length, (section, word)) in lengths.iter_mut().zip(layout::SECTIONS) {
            let present = words[word] != 0;
            let offset = size(word, 0)?;
            let (needed, optional) = match word {
                layout::INPUT_IDS | layout::POSITIONS | layout::SLOT_MAPPING => (num_tokens, false),
                layout::QUERY_START_LOC => (num_rows + 1, false),
                layout::BLOCK_TABLES => (num_rows.saturating_mul(stride), false),
                layout::LOGITS_INDICES | layout::LOGITS_ROWS => (num_logits, false),
                layout::NUM_DRAFT_TOKENS | layout::TEMPERATURE | layout::TOP_P | layout::TOP_K | layout::MIN_P => {
                    (num_rows, true)
                }
                layout::SEEDS => (2 * num_rows, true),
                _ => (num_rows, false),
            };
            *length = if present { needed } else { 0 };
            let bad = InputBatchError::BadSection { section, offset, length: needed, total };
            if !present {
                if needed > 0 && !optional {
                    return Err(bad);
                }
                continue;
            }
            // Sections lie one behind the other, so none overlaps another.
            if offset < end || offset % layout::SECTION_ALIGNMENT_WORDS != 0 || needed > total.saturating_sub(offset) {
                return Err(bad);
            }
            end = offset + needed;
        }
        let mut view = Self { words, lengths, max_block_id: 0 };
        if (view.words[layout::TEMPERATURE] != 0) != (view.words[layout::SEEDS] != 0) {
            return Err(InputBatchError::BadHeader { word: layout::SEEDS, value: view.words[layout::SEEDS] });
        }
        view.check_rows()?;
        view.check_logits()?;
        view.max_block_id = view.check_block_tables()?;
        view.check_tokens()?;
        Ok(view)
    }

    fn check_rows(&self) -> Result<(), InputBatchError> {
        let starts = self.query_start_loc();
        let capacity = i64::from(self.words[layout::BLOCK_TABLE_STRIDE]) * self.block_size() as i64;
        let bad = |section, index, value| Err(InputBatchError::BadValue { section, index, value });
        if starts[0] != 0 {
            return bad("query_start_loc", 0, starts[0]);
        }
        if starts[self.num_rows()] != self.words[layout::NUM_TOKENS] {
            return bad("query_start_loc", self.num_rows(), starts[self.num_rows()]);
        }
        for row in 0..self.num_rows() {
            // Wide sums: hostile values must not wrap.
            let num_tokens = i64::from(starts[row + 1]) - i64::from(starts[row]);
            if num_tokens < 1 {
                return bad("query_start_loc", row + 1, starts[row + 1]);
            }
            let computed = self.num_computed()[row];
            if computed < 0 {
                return bad("num_computed", row, computed);
            }
            let length = self.seq_lens()[row];
            if i64::from(length) != i64::from(computed) + num_tokens || i64::from(length) > capacity {
                return bad("seq_lens", row, length);
            }
            if self.rows()[row] < 0 {
                return bad("rows", row, self.rows()[row]);
            }
            if self.sequence_ids()[row] < 0 {
                return bad("sequence_ids", row, self.sequence_ids()[row]);
            }
            let drafts = self.num_draft_tokens().map_or(0, |drafts| drafts[row]);
            if drafts < 0 || i64::from(drafts) >= num_tokens {
                return bad("num_draft_tokens", row, drafts);
            }
            if let Some(&top_k) = self.top_k().and_then(|top_k| top_k.get(row)).filter(|top_k| **top_k < 0) {
                return bad("top_k", row, top_k);
            }
        }
        Ok(())
    }

    fn check_logits(&self) -> Result<(), InputBatchError> {
        let bad = |section, index, value| Err(InputBatchError::BadValue { section, index, value });
        let (indices, rows, starts) = (self.logits_indices(), self.logits_rows(), self.query_start_loc());
        let mut before = -1;
        for (index, (&token, &row)) in indices.iter().zip(rows).enumerate() {
            if token <= before {
                return bad("logits_indices", index, token);
            }
            before = token;
            let inside = usize::try_from(row)
                .is_ok_and(|row| row < self.num_rows() && (starts[row]..starts[row + 1]).contains(&token));
            if !inside {
                return bad("logits_rows", index, row);
            }
        }
        let mut samples = false;
        for (row, &sample) in self.sample_index().iter().enumerate() {
            if sample == layout::NO_SAMPLE {
                continue;
            }
            samples = true;
            let drafts = self.num_draft_tokens().map_or(0, |drafts| drafts[row]) as usize;
            let first = usize::try_from(sample).unwrap_or(usize::MAX);
            let consecutive = first.checked_add(drafts).is_some_and(|last| last < indices.len())
                && rows[first] as usize == row
                && indices[first] as usize + drafts + 1 == starts[row + 1] as usize
                && indices[first + drafts] as usize + 1 == starts[row + 1] as usize;
            if !consecutive {
                return bad("sample_index", row, sample);
            }
        }
        if samples != self.samples() {
            return Err(InputBatchError::BadHeader { word: layout::FLAGS, value: self.words[layout::FLAGS] });
        }
        Ok(())
    }

    fn check_block_tables(&self) -> Result<u32, InputBatchError> {
        let mut largest = 0;
        let mut smallest = 0;
        for &block in self.block_tables() {
            largest = largest.max(block);
            smallest = smallest.min(block);
        }
        if smallest < 0 {
            let index = self.block_tables().iter().position(|block| *block < 0).unwrap_or(0);
            return Err(InputBatchError::BadValue { section: "block_tables", index, value: smallest });
        }
        Ok(largest as u32)
    }

    fn check_tokens(&self) -> Result<(), InputBatchError> {
        let block_size = self.block_size();
        let bad = |section, index, value| Err(InputBatchError::BadValue { section, index, value });
        for row in 0..self.num_rows() {
            let (first, last) = self.token_range(row);
            let computed = self.num_computed()[row] as usize;
            let table = self.block_table(row);
            let (mut block, mut offset) = (computed / block_size, computed % block_size);
            for (index, position) in (first..last).zip(computed..) {
                let id = self.input_ids()[index];
                if id < layout::TOKEN_OF_PREVIOUS_STEP {
                    return bad("input_ids", index, id);
                }
                if self.positions()[index] as usize != position || self.positions()[index] < 0 {
                    return bad("positions", index, self.positions()[index]);
                }
                let slot = i64::from(self.slot_mapping()[index]);
                let expected = i64::from(table[block]) * block_size as i64 + offset as i64;
                if slot != expected && slot != i64::from(layout::SKIPPED_SLOT) {
                    return bad("slot_mapping", index, self.slot_mapping()[index]);
                }
                offset += 1;
                if offset == block_size {
                    block += 1;
                    offset = 0;
                }
            }
        }
        Ok(())
    }

    fn section(&self, word: usize) -> &'a [i32] {
        let offset = self.words[word] as usize;
        // Sections are numbered from INPUT_IDS on without gaps, in the order of `SECTIONS`.
        &self.words[offset..offset + self.lengths[word - layout::INPUT_IDS]]
    }

    fn optional(&self, word: usize) -> Option<&'a [i32]> {
        (self.words[word] != 0).then(|| self.section(word))
    }

    /// The whole batch, to copy or post as it is.
    #[must_use]
    pub fn words(&self) -> &'a [i32] {
        self.words
    }

    /// Low 31 bits of the step's number.
    #[must_use]
    pub fn step_id(&self) -> u32 {
        self.words[layout::STEP_ID] as u32
    }

    /// Tokens in the step.
    #[must_use]
    pub fn num_tokens(&self) -> usize {
        self.words[layout::NUM_TOKENS] as usize
    }

    /// Rows in the step.
    #[must_use]
    pub fn num_rows(&self) -> usize {
        self.words[layout::NUM_ROWS] as usize
    }

    /// Positions whose logits are wanted.
    #[must_use]
    pub fn num_logits(&self) -> usize {
        self.words[layout::NUM_LOGITS] as usize
    }

    /// Blocks per row in [`block_tables`](Self::block_tables).
    #[must_use]
    pub fn block_table_stride(&self) -> usize {
        self.words[layout::BLOCK_TABLE_STRIDE] as usize
    }

    /// KV slots per block, at least 1.
    #[must_use]
    pub fn block_size(&self) -> usize {
        self.words[layout::BLOCK_SIZE] as usize
    }

    /// Whether some logits of this step need the stateful sampler.
    #[must_use]
    pub fn host_sampling(&self) -> bool {
        self.words[layout::FLAGS] & layout::FLAG_HOST_SAMPLING != 0
    }

    /// Whether at least one row samples.
    #[must_use]
    pub fn samples(&self) -> bool {
        self.words[layout::FLAGS] & layout::FLAG_SAMPLES != 0
    }

    /// The largest block id in the tables; the reader must have more blocks than this.
    #[must_use]
    pub fn max_block_id(&self) -> u32 {
        self.max_block_id
    }

    /// `[num_tokens]`, -1 = the token which the same stable row sampled in the step before.
    #[must_use]
    pub fn input_ids(&self) -> &'a [i32] {
        self.section(layout::INPUT_IDS)
    }

    /// `[num_tokens]`: index of each token in its sequence.
    #[must_use]
    pub fn positions(&self) -> &'a [i32] {
        self.section(layout::POSITIONS)
    }

    /// `[num_tokens]`: where each token's key and value go; -1 = nowhere.
    #[must_use]
    pub fn slot_mapping(&self) -> &'a [i32] {
        self.section(layout::SLOT_MAPPING)
    }

    /// `[num_rows + 1]`: first token of each row, then the number of tokens.
    #[must_use]
    pub fn query_start_loc(&self) -> &'a [i32] {
        self.section(layout::QUERY_START_LOC)
    }

    /// Tokens of a row: first, and one past the last.
    #[must_use]
    pub fn token_range(&self, row: usize) -> (usize, usize) {
        (self.query_start_loc()[row] as usize, self.query_start_loc()[row + 1] as usize)
    }

    /// `[num_rows]`: tokens computed before, plus those of this step.
    #[must_use]
    pub fn seq_lens(&self) -> &'a [i32] {
        self.section(layout::SEQ_LENS)
    }

    /// `[num_rows]`: tokens computed before this step.
    #[must_use]
    pub fn num_computed(&self) -> &'a [i32] {
        self.section(layout::NUM_COMPUTED)
    }

    /// `[num_rows][block_table_stride]`, padded with the null block 0.
    #[must_use]
    pub fn block_tables(&self) -> &'a [i32] {
        self.section(layout::BLOCK_TABLES)
    }

    /// `[block_table_stride]`: the blocks of one row.
    #[must_use]
    pub fn block_table(&self, row: usize) -> &'a [i32] {
        let stride = self.block_table_stride();
        &self.block_tables()[row * stride..(row + 1) * stride]
    }

    /// `[num_logits]`: token indices whose logits are wanted, ascending.
    #[must_use]
    pub fn logits_indices(&self) -> &'a [i32] {
        self.section(layout::LOGITS_INDICES)
    }

    /// `[num_logits]`: the row of each.
    #[must_use]
    pub fn logits_rows(&self) -> &'a [i32] {
        self.section(layout::LOGITS_ROWS)
    }

    /// `[num_rows]`: sequence ids as words.
    #[must_use]
    pub fn sequence_ids(&self) -> &'a [i32] {
        self.section(layout::SEQUENCE_IDS)
    }

    /// The sequence of a row.
    #[must_use]
    pub fn sequence_id(&self, row: usize) -> SequenceId {
        SequenceId(self.sequence_ids()[row] as u32)
    }

    /// `[num_rows]`: row ids that are stable while a sequence runs.
    #[must_use]
    pub fn rows(&self) -> &'a [i32] {
        self.section(layout::ROWS)
    }

    /// `[num_rows]`: index into the logits of the first position sampled from, -1 = the row does not sample.
    #[must_use]
    pub fn sample_index(&self) -> &'a [i32] {
        self.section(layout::SAMPLE_INDEX)
    }

    /// `[num_rows]`: draft tokens at the end of each row's tokens, if any row has some.
    #[must_use]
    pub fn num_draft_tokens(&self) -> Option<&'a [i32]> {
        self.optional(layout::NUM_DRAFT_TOKENS)
    }

    /// `[num_rows]`: temperature as float bits; absent = every row is greedy.
    #[must_use]
    pub fn temperature(&self) -> Option<&'a [i32]> {
        self.optional(layout::TEMPERATURE)
    }

    /// `[num_rows]`: top-p as float bits; absent = 1.
    #[must_use]
    pub fn top_p(&self) -> Option<&'a [i32]> {
        self.optional(layout::TOP_P)
    }

    /// `[num_rows]`: top-k, 0 = off; absent = off.
    #[must_use]
    pub fn top_k(&self) -> Option<&'a [i32]> {
        self.optional(layout::TOP_K)
    }

    /// `[num_rows]`: min-p as float bits; absent = 0.
    #[must_use]
    pub fn min_p(&self) -> Option<&'a [i32]> {
        self.optional(layout::MIN_P)
    }

    /// The seed of a row; present when the temperature is.
    #[must_use]
    pub fn seed(&self, row: usize) -> Option<i64> {
        let seeds = self.optional(layout::SEEDS)?;
        let (low, high) = (seeds[2 * row] as u32, seeds[2 * row + 1]);
        Some(i64::from(high) << 32 | i64::from(low))
    }
}
