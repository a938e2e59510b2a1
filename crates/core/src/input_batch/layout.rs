//! Where everything lies in an input batch. The numbers here are the wire: they change only together with
//! [`VERSION`], and doors hand them on as constants.
//!
//! ```text
//! words 0..40           header: sizes, flags, offsets (in words; 0 = the section is absent)
//! words 48.., 64 B each sections in the order of their offsets, each starting at a multiple of 16 words
//! ```
//!
//! Words are little-endian 32-bit integers. Rows are sequences in the order in which they were scheduled; the tokens
//! of a row are consecutive. Columns that hold floats hold their bits.

/// `"QUIB"` as a little-endian word.
pub const MAGIC: i32 = 0x4249_5551;
/// The layout described here.
pub const VERSION: i32 = 1;
/// Words in the header.
pub const HEADER_WORDS: usize = 40;
/// Sections start at multiples of this many words (64 bytes).
pub const SECTION_ALIGNMENT_WORDS: usize = 16;
/// An input id of -1: the token which the same row (see [`ROWS`]) sampled in the step before this one. It occurs only
/// when a step is scheduled before the result of the step before it is known.
pub const TOKEN_OF_PREVIOUS_STEP: i32 = -1;
/// A slot of -1: the token's key and value are not stored.
pub const SKIPPED_SLOT: i32 = -1;
/// A sample index of -1: the row does not sample in this step.
pub const NO_SAMPLE: i32 = -1;

/// Header: [`MAGIC`](self::MAGIC).
pub const MAGIC_WORD: usize = 0;
/// Header: [`VERSION`](self::VERSION).
pub const VERSION_WORD: usize = 1;
/// Header: words in use, header included.
pub const TOTAL_WORDS: usize = 2;
/// Header: low 31 bits of the step's number; `update` takes it back.
pub const STEP_ID: usize = 3;
/// Header: tokens in the step.
pub const NUM_TOKENS: usize = 4;
/// Header: rows (scheduled sequences).
pub const NUM_ROWS: usize = 5;
/// Header: positions whose logits are wanted.
pub const NUM_LOGITS: usize = 6;
/// Header: blocks per row in the block tables.
pub const BLOCK_TABLE_STRIDE: usize = 7;
/// Header: KV slots per block.
pub const BLOCK_SIZE: usize = 8;
/// Header: [`FLAG_HOST_SAMPLING`] and [`FLAG_SAMPLES`].
pub const FLAGS: usize = 9;

/// Some logits of this step need the stateful sampler (penalties, logprobs, bias, masks, prompt logprobs, ...).
pub const FLAG_HOST_SAMPLING: i32 = 1;
/// At least one row samples.
pub const FLAG_SAMPLES: i32 = 2;

/// Offset of `input_ids[num_tokens]`; -1 is [`TOKEN_OF_PREVIOUS_STEP`].
pub const INPUT_IDS: usize = 10;
/// Offset of `positions[num_tokens]`: index of each token in its sequence.
pub const POSITIONS: usize = 11;
/// Offset of `slot_mapping[num_tokens]`: block id * block size + slot in the block.
pub const SLOT_MAPPING: usize = 12;
/// Offset of `query_start_loc[num_rows + 1]`: first token of each row, then `num_tokens`.
pub const QUERY_START_LOC: usize = 13;
/// Offset of `seq_lens[num_rows]`: tokens computed before plus tokens of this step.
pub const SEQ_LENS: usize = 14;
/// Offset of `num_computed[num_rows]`: tokens whose KV was there before this step.
pub const NUM_COMPUTED: usize = 15;
/// Offset of `block_tables[num_rows][block_table_stride]`, padded with the null block 0.
pub const BLOCK_TABLES: usize = 16;
/// Offset of `logits_indices[num_logits]`: token index of each position whose logits are wanted, ascending.
pub const LOGITS_INDICES: usize = 17;
/// Offset of `logits_rows[num_logits]`: the row of each.
pub const LOGITS_ROWS: usize = 18;
/// Offset of `sequence_ids[num_rows]`.
pub const SEQUENCE_IDS: usize = 19;
/// Offset of `rows[num_rows]`: row id in `0..max_num_seqs`, stable while the sequence runs.
pub const ROWS: usize = 20;
/// Offset of `sample_index[num_rows]`: index into `logits_indices` of the first position sampled from, or -1. With
/// draft tokens the row samples from `1 + num_draft_tokens` consecutive entries that start there.
pub const SAMPLE_INDEX: usize = 21;
/// Offset of `num_draft_tokens[num_rows]`; absent when no row has drafts.
pub const NUM_DRAFT_TOKENS: usize = 22;
/// Offset of `temperature[num_rows]` (float bits); absent when every sampling row is greedy.
pub const TEMPERATURE: usize = 23;
/// Offset of `top_p[num_rows]` (float bits); absent when every sampling row has 1.
pub const TOP_P: usize = 24;
/// Offset of `top_k[num_rows]`, 0 = off; absent when off for every sampling row.
pub const TOP_K: usize = 25;
/// Offset of `min_p[num_rows]` (float bits); absent when every sampling row has 0.
pub const MIN_P: usize = 26;
/// Offset of `seeds[2 * num_rows]` (low word, high word); present exactly when `temperature` is.
pub const SEEDS: usize = 27;
/// First reserved header word; all from here to the end of the header are 0.
pub const FIRST_RESERVED: usize = 28;

/// Every offset word of the header with the name of its section, in the order in which sections lie in the buffer.
pub const SECTIONS: [(&str, usize); 18] = [
    ("input_ids", INPUT_IDS),
    ("positions", POSITIONS),
    ("slot_mapping", SLOT_MAPPING),
    ("query_start_loc", QUERY_START_LOC),
    ("seq_lens", SEQ_LENS),
    ("num_computed", NUM_COMPUTED),
    ("block_tables", BLOCK_TABLES),
    ("logits_indices", LOGITS_INDICES),
    ("logits_rows", LOGITS_ROWS),
    ("sequence_ids", SEQUENCE_IDS),
    ("rows", ROWS),
    ("sample_index", SAMPLE_INDEX),
    ("num_draft_tokens", NUM_DRAFT_TOKENS),
    ("temperature", TEMPERATURE),
    ("top_p", TOP_P),
    ("top_k", TOP_K),
    ("min_p", MIN_P),
    ("seeds", SEEDS),
];

/// Every constant with its name, for doors that export them.
pub const CONSTANTS: [(&str, i32); 33] = [
    ("MAGIC", MAGIC),
    ("VERSION", VERSION),
    ("HEADER_WORDS", HEADER_WORDS as i32),
    ("SECTION_ALIGNMENT_WORDS", SECTION_ALIGNMENT_WORDS as i32),
    ("TOTAL_WORDS", TOTAL_WORDS as i32),
    ("STEP_ID", STEP_ID as i32),
    ("NUM_TOKENS", NUM_TOKENS as i32),
    ("NUM_ROWS", NUM_ROWS as i32),
    ("NUM_LOGITS", NUM_LOGITS as i32),
    ("BLOCK_TABLE_STRIDE", BLOCK_TABLE_STRIDE as i32),
    ("BLOCK_SIZE", BLOCK_SIZE as i32),
    ("FLAGS", FLAGS as i32),
    ("FLAG_HOST_SAMPLING", FLAG_HOST_SAMPLING),
    ("FLAG_SAMPLES", FLAG_SAMPLES),
    ("TOKEN_OF_PREVIOUS_STEP", TOKEN_OF_PREVIOUS_STEP),
    ("INPUT_IDS", INPUT_IDS as i32),
    ("POSITIONS", POSITIONS as i32),
    ("SLOT_MAPPING", SLOT_MAPPING as i32),
    ("QUERY_START_LOC", QUERY_START_LOC as i32),
    ("SEQ_LENS", SEQ_LENS as i32),
    ("NUM_COMPUTED", NUM_COMPUTED as i32),
    ("BLOCK_TABLES", BLOCK_TABLES as i32),
    ("LOGITS_INDICES", LOGITS_INDICES as i32),
    ("LOGITS_ROWS", LOGITS_ROWS as i32),
    ("SEQUENCE_IDS", SEQUENCE_IDS as i32),
    ("ROWS", ROWS as i32),
    ("SAMPLE_INDEX", SAMPLE_INDEX as i32),
    ("NUM_DRAFT_TOKENS", NUM_DRAFT_TOKENS as i32),
    ("TEMPERATURE", TEMPERATURE as i32),
    ("TOP_P", TOP_P as i32),
    ("TOP_K", TOP_K as i32),
    ("MIN_P", MIN_P as i32),
    ("SEEDS", SEEDS as i32),
];

/// Rounds a number of words up to the next section start.
#[must_use]
pub const fn align_words(words: usize) -> usize {
    words.next_multiple_of(SECTION_ALIGNMENT_WORDS)
}
