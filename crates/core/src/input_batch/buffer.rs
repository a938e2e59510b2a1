//! Writes input batches. It knows the layout and nothing of scheduling: a row is whatever the caller says it is.

use super::layout::{self, align_words};
use super::view::InputBatchView;
use crate::ids::{BlockId, SequenceId};
use crate::sampling_columns::SamplingColumns;

/// One row of a batch, borrowed from whoever owns the sequence. The tokens of the row are `token_ids`, then
/// `num_unknown_tokens` times [`layout::TOKEN_OF_PREVIOUS_STEP`], then `draft_token_ids`.
#[derive(Clone, Copy, Debug)]
pub struct BatchRow<'a> {
    /// The sequence.
    pub sequence_id: SequenceId,
    /// Its stable row id.
    pub row: u32,
    /// Tokens of this step whose ids are known, starting at position `num_computed`.
    pub token_ids: &'a [i32],
    /// Tokens of this step that the step before it is still sampling: 0 or 1.
    pub num_unknown_tokens: u32,
    /// Guesses to verify, after the known and unknown tokens.
    pub draft_token_ids: &'a [i32],
    /// Tokens whose KV is there already.
    pub num_computed: u32,
    /// The sequence's blocks, covering `num_computed` plus the tokens of this step.
    pub block_table: &'a [BlockId],
    /// Whether a token is drawn from the row's last position (and from the positions of the drafts).
    pub samples: bool,
    /// First token of the row (index in the row) whose logits are wanted as prompt logprobs, and one past the last.
    /// Positions that are sampled from are added by themselves.
    pub prompt_logits: (u32, u32),
    /// Whether the row's logits need the stateful sampler.
    pub host_sampling: bool,
    /// How to sample.
    pub sampling: SamplingColumns,
}

impl BatchRow<'_> {
    fn num_tokens(&self) -> usize {
        self.token_ids.len() + self.num_unknown_tokens as usize + self.draft_token_ids.len()
    }

    fn num_sampled_positions(&self) -> usize {
        if self.samples { 1 + self.draft_token_ids.len() } else { 0 }
    }

    fn num_logits(&self) -> usize {
        (self.prompt_logits.1 - self.prompt_logits.0) as usize + self.num_sampled_positions()
    }
}

/// A reused buffer that holds one input batch at a time.
#[derive(Clone, Debug, Default)]
pub struct InputBatchBuffer {
    words: Vec<i32>,
}

/// What the first pass over the rows finds out.
#[derive(Default)]
struct Extent {
    num_tokens: usize,
    num_rows: usize,
    num_logits: usize,
    stride: usize,
    flags: i32,
    has_drafts: bool,
    has_temperature: bool,
    has_top_p: bool,
    has_top_k: bool,
    has_min_p: bool,
}

impl Extent {
    fn of<'a>(rows: impl Iterator<Item = BatchRow<'a>>) -> Self {
        let mut extent = Self::default();
        for row in rows {
            extent.num_tokens += row.num_tokens();
            extent.num_rows += 1;
            let num_logits = row.num_logits();
            extent.num_logits += num_logits;
            extent.stride = extent.stride.max(row.block_table.len());
            extent.has_drafts |= !row.draft_token_ids.is_empty();
            if num_logits > 0 && (row.host_sampling || row.prompt_logits.1 > row.prompt_logits.0) {
                extent.flags |= layout::FLAG_HOST_SAMPLING;
            }
            if row.samples {
                extent.flags |= layout::FLAG_SAMPLES;
                extent.has_temperature |= row.sampling.temperature_bits != SamplingColumns::ZERO_BITS;
                extent.has_top_p |= row.sampling.top_p_bits != SamplingColumns::ONE_BITS;
                extent.has_top_k |= row.sampling.top_k != 0;
                extent.has_min_p |= row.sampling.min_p_bits != SamplingColumns::ZERO_BITS;
            }
        }
        extent
    }

    /// Length in words of every section, in the order of [`layout::SECTIONS`].
    fn lengths(&self) -> [usize; layout::SECTIONS.len()] {
        let rows = self.num_rows;
        let optional = |present: bool, length: usize| if present { length } else { 0 };
        [
            self.num_tokens,
            self.num_tokens,
            self.num_tokens,
            rows + 1,
            rows,
            rows,
            rows * self.stride,
            self.num_logits,
            self.num_logits,
            rows,
            rows,
            rows,
            optional(self.has_drafts, rows),
            optional(self.has_temperature, rows),
            optional(self.has_top_p, rows),
            optional(self.has_top_k, rows),
            optional(self.has_min_p, rows),
            optional(self.has_temperature, 2 * rows),
        ]
    }
}

impl InputBatchBuffer {
    /// An empty buffer; it grows to what the steps need.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A buffer that does not grow until a batch needs more than `words` words.
    #[must_use]
    pub fn with_capacity(words: usize) -> Self {
        Self { words: Vec::with_capacity(words) }
    }

    /// The batch as it crosses to a device; empty before the first one is written.
    #[must_use]
    pub fn words(&self) -> &[i32] {
        &self.words
    }

    /// The batch to read, validated.
    ///
    /// # Errors
    /// Only before the first batch is written, or when rows contradicted themselves.
    pub fn view(&self) -> Result<InputBatchView<'_>, crate::InputBatchError> {
        InputBatchView::new(&self.words)
    }

    /// Replaces the content by a batch of these rows. The rows are walked twice.
    ///
    /// # Panics
    /// If a row's block table does not cover its tokens: this is a bug in the caller.
    pub fn write<'a, R>(&mut self, step_id: u64, block_size: u32, rows: R)
    where
        R: Iterator<Item = BatchRow<'a>> + Clone,
    {
        let extent = Extent::of(rows.clone());
        let lengths = extent.lengths();
        let mut offsets = [0usize; layout::SECTIONS.len()];
        let mut end = align_words(layout::HEADER_WORDS);
        for (offset, length) in offsets.iter_mut().zip(lengths) {
            if length > 0 {
                *offset = end;
                end = align_words(end + length);
            }
        }

        self.words.clear();
        self.words.resize(end, 0);
        let words = self.words.as_mut_slice();
        words[layout::MAGIC_WORD] = layout::MAGIC;
        words[layout::VERSION_WORD] = layout::VERSION;
        words[layout::TOTAL_WORDS] = end as i32;
        words[layout::STEP_ID] = (step_id & 0x7fff_ffff) as i32;
        words[layout::NUM_TOKENS] = extent.num_tokens as i32;
        words[layout::NUM_ROWS] = extent.num_rows as i32;
        words[layout::NUM_LOGITS] = extent.num_logits as i32;
        words[layout::BLOCK_TABLE_STRIDE] = extent.stride as i32;
        words[layout::BLOCK_SIZE] = block_size as i32;
        words[layout::FLAGS] = extent.flags;
        for ((_, word), offset) in layout::SECTIONS.iter().zip(offsets) {
            words[*word] = offset as i32;
        }
        Sections::split(words, &offsets, &lengths).fill(block_size as usize, extent.stride, rows);
    }
}

/// The sections of one buffer, each a slice of its own; absent ones are empty.
struct Sections<'w> {
    slices: [&'w mut [i32]; layout::SECTIONS.len()],
}

impl<'w> Sections<'w> {
    fn split(words: &'w mut [i32], offsets: &[usize], lengths: &[usize]) -> Self {
        let mut rest = words;
        let mut start = 0;
        let slices = std::array::from_fn(|index| {
            if lengths[index] == 0 {
                return <&mut [i32]>::default();
            }
            let (_, tail) = std::mem::take(&mut rest).split_at_mut(offsets[index] - start);
            let (section, tail) = tail.split_at_mut(lengths[index]);
            rest = tail;
            start = offsets[index] + lengths[index];
            section
        });
        Self { slices }
    }

    fn fill<'a>(self, block_size: usize, stride: usize, rows: impl Iterator<Item = BatchRow<'a>>) {
        let [
            input_ids,
            positions,
            slot_mapping,
            query_start_loc,
            seq_lens,
            num_computed,
            block_tables,
            logits_indices,
            logits_rows,
            sequence_ids,
            row_ids,
            sample_index,
            num_draft_tokens,
            temperature,
            top_p,
            top_k,
            min_p,
            seeds,
        ] = self.slices;
        let mut token = 0;
        let mut logit = 0;
        for (index, row) in rows.enumerate() {
            let num_tokens = row.num_tokens();
            let start = row.num_computed as usize;

            let ids = &mut input_ids[token..token + num_tokens];
            let (known, rest) = ids.split_at_mut(row.token_ids.len());
            known.copy_from_slice(row.token_ids);
            let (unknown, drafts) = rest.split_at_mut(row.num_unknown_tokens as usize);
            unknown.fill(layout::TOKEN_OF_PREVIOUS_STEP);
            drafts.copy_from_slice(row.draft_token_ids);
            fill_ascending(&mut positions[token..token + num_tokens], start as i32);
            fill_slots(&mut slot_mapping[token..token + num_tokens], start, block_size, row.block_table);

            query_start_loc[index] = token as i32;
            seq_lens[index] = (start + num_tokens) as i32;
            num_computed[index] = row.num_computed as i32;
            sequence_ids[index] = row.sequence_id.as_word();
            row_ids[index] = row.row as i32;
            let table = &mut block_tables[index * stride..index * stride + row.block_table.len()];
            for (word, block) in table.iter_mut().zip(row.block_table) {
                *word = block.0 as i32;
            }

            let (first_prompt_logit, last_prompt_logit) = row.prompt_logits;
            for at in first_prompt_logit as usize..last_prompt_logit as usize {
                logits_indices[logit] = (token + at) as i32;
                logits_rows[logit] = index as i32;
                logit += 1;
            }
            let num_sampled = row.num_sampled_positions();
            sample_index[index] = if num_sampled > 0 { logit as i32 } else { layout::NO_SAMPLE };
            for at in num_tokens - num_sampled..num_tokens {
                logits_indices[logit] = (token + at) as i32;
                logits_rows[logit] = index as i32;
                logit += 1;
            }

            if !num_draft_tokens.is_empty() {
                num_draft_tokens[index] = row.draft_token_ids.len() as i32;
            }
            if !temperature.is_empty() {
                temperature[index] = row.sampling.temperature_bits as i32;
                seeds[2 * index] = row.sampling.seed as i32;
                seeds[2 * index + 1] = (row.sampling.seed >> 32) as i32;
            }
            if !top_p.is_empty() {
                top_p[index] = row.sampling.top_p_bits as i32;
            }
            if !top_k.is_empty() {
                top_k[index] = i32::try_from(row.sampling.top_k).unwrap_or(i32::MAX);
            }
            if !min_p.is_empty() {
                min_p[index] = row.sampling.min_p_bits as i32;
            }
            token += num_tokens;
        }
        if let Some(last) = query_start_loc.last_mut() {
            *last = token as i32;
        }
    }
}

fn fill_ascending(words: &mut [i32], first: i32) {
    for (value, word) in (first..).zip(words) {
        *word = value;
    }
}

/// Slots of the positions from `start` on: block id * block size + offset, block by block.
fn fill_slots(words: &mut [i32], start: usize, block_size: usize, block_table: &[BlockId]) {
    let mut words = words;
    let mut block_index = start / block_size;
    let mut offset = start % block_size;
    while !words.is_empty() {
        let length = words.len().min(block_size - offset);
        let (head, tail) = words.split_at_mut(length);
        fill_ascending(head, (block_table[block_index].index() * block_size + offset) as i32);
        words = tail;
        block_index += 1;
        offset = 0;
    }
}
