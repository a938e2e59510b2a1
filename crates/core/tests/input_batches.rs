//! The input batch on the wire: golden words of one small batch, and what a reader refuses.

use proptest::prelude::*;
use quire_core::{
    BatchRow, BlockId, EngineConfig, EngineCore, InputBatchBuffer, InputBatchError, InputBatchView, Request,
    SamplingColumns, SequenceId, layout,
};

/// Two rows, blocks of two: the end of a prompt with prompt logprobs that samples, and a token that is not known yet
/// with one draft.
fn small_batch() -> InputBatchBuffer {
    let sampling = SamplingColumns { temperature_bits: 0x3f00_0000, top_k: 40, seed: -2, ..SamplingColumns::default() };
    let first = BatchRow {
        sequence_id: SequenceId(7),
        row: 1,
        token_ids: &[11, 12, 13],
        num_unknown_tokens: 0,
        draft_token_ids: &[],
        num_computed: 2,
        block_table: &[BlockId(4), BlockId(2), BlockId(9)],
        samples: true,
        prompt_logits: (0, 2),
        host_sampling: true,
        sampling,
    };
    let second = BatchRow {
        sequence_id: SequenceId(8),
        row: 0,
        token_ids: &[],
        num_unknown_tokens: 1,
        draft_token_ids: &[21],
        num_computed: 1,
        block_table: &[BlockId(3), BlockId(5)],
        prompt_logits: (0, 0),
        host_sampling: false,
        sampling: SamplingColumns::GREEDY,
        ..first
    };
    let mut buffer = InputBatchBuffer::new();
    buffer.write(0x1_8000_0005, 2, [first, second].into_iter());
    buffer
}

#[test]
fn golden_words() {
    let buffer = small_batch();
    let mut expected = vec![
        0x4249_5551,
        1,
        0,
        5,
        5,
        2,
        5,
        3,
        2,
        3, // magic, version, total, step, tokens, rows, logits, stride, size, flags
        48,
        64,
        80,
        96,
        112,
        128,
        144,
        160,
        176,
        192,
        208,
        224,
        240,
        256,
        0,
        272,
        0,
        288, // offsets
    ];
    expected.resize(48, 0);
    let sections: [&[i32]; 16] = [
        &[11, 12, 13, -1, 21],
        &[2, 3, 4, 1, 2],
        &[4, 5, 18, 7, 10],
        &[0, 3, 5],
        &[5, 3],
        &[2, 1],
        &[4, 2, 9, 3, 5, 0],
        &[0, 1, 2, 3, 4],
        &[0, 0, 0, 1, 1],
        &[7, 8],
        &[1, 0],
        &[2, 3],
        &[0, 1],
        &[0x3f00_0000, 0],
        &[40, 0],
        &[-2, -1, 0, 0],
    ];
    for section in sections {
        expected.extend_from_slice(section);
        expected.resize(layout::align_words(expected.len()), 0);
    }
    expected[layout::TOTAL_WORDS] = expected.len() as i32;
    assert_eq!(buffer.words(), expected);
    let bytes: Vec<u8> = buffer.words().iter().flat_map(|word| word.to_le_bytes()).collect();
    assert_eq!(&bytes[..8], b"QUIB\x01\0\0\0");
}

#[test]
fn a_view_reads_what_was_written() {
    let buffer = small_batch();
    let view = buffer.view().expect("a batch");
    assert_eq!((view.step_id(), view.num_rows(), view.num_tokens(), view.num_logits()), (5, 2, 5, 5));
    assert_eq!((view.samples(), view.host_sampling(), view.max_block_id()), (true, true, 9));
    assert_eq!((view.seed(0), view.seed(1)), (Some(-2), Some(0)));
    assert_eq!((view.token_range(1), view.block_table(1)), ((3, 5), [3, 5, 0].as_slice()));
    assert_eq!((view.top_p(), view.min_p(), view.top_k()), (None, None, Some([40, 0].as_slice())));
    assert_eq!(view.num_draft_tokens(), Some([0, 1].as_slice()));
    // A buffer may be larger than the batch in it.
    let mut longer = buffer.words().to_vec();
    longer.extend([1, 2, 3]);
    assert_eq!(InputBatchView::new(&longer).expect("a batch").words(), buffer.words());
}

#[test]
fn a_view_refuses_what_cannot_be() {
    let offset = |word: usize| small_batch().words()[word] as usize;
    // (word, value, what is wrong)
    let rows: [(usize, i32, &str); 26] = [
        (layout::MAGIC_WORD, 0, "magic"),
        (layout::VERSION_WORD, 2, "version"),
        (layout::TOTAL_WORDS, 39, "total"),
        (layout::TOTAL_WORDS, i32::MAX, "total"),
        (layout::NUM_TOKENS, -1, "tokens"),
        (layout::NUM_ROWS, i32::MAX, "rows"),
        (layout::NUM_LOGITS, 1000, "logits"),
        (layout::BLOCK_TABLE_STRIDE, i32::MAX, "stride"),
        (layout::BLOCK_SIZE, 0, "block size"),
        (layout::FLAGS, 4, "flags"),
        (layout::FLAGS, 1, "samples and does not say so"),
        (layout::INPUT_IDS, 0, "required section"),
        (layout::INPUT_IDS, 47, "alignment"),
        (layout::POSITIONS, 48, "overlap"),
        (layout::SEEDS, 0, "temperature without seeds"),
        (layout::FIRST_RESERVED, 1, "reserved"),
        (offset(layout::INPUT_IDS), -2, "token id"),
        (offset(layout::POSITIONS), 7, "position"),
        (offset(layout::SLOT_MAPPING), 6, "slot"),
        (offset(layout::QUERY_START_LOC) + 1, 9, "start"),
        (offset(layout::SEQ_LENS), 6, "length"),
        (offset(layout::NUM_COMPUTED), i32::MIN, "computed"),
        (offset(layout::BLOCK_TABLES), -4, "block"),
        (offset(layout::LOGITS_INDICES) + 1, 0, "order of logits"),
        (offset(layout::LOGITS_ROWS), 1, "row of logits"),
        (offset(layout::SAMPLE_INDEX), 1, "sample index"),
    ];
    for (word, value, what) in rows {
        let mut words = small_batch().words().to_vec();
        words[word] = value;
        assert!(InputBatchView::new(&words).is_err(), "{what}: {value} at {word}");
    }
    let words = small_batch().words().to_vec();
    assert_eq!(
        InputBatchView::new(&words[..100]).err(),
        Some(InputBatchError::TooShort { words: 100, needed: words.len() })
    );
    assert!(InputBatchView::new(&[]).is_err());
}

#[test]
fn greedy_steps_have_no_sampling_columns_and_constants_are_told() {
    let mut engine = EngineCore::new(EngineConfig::new(4, 10, 32, [0; 16])).expect("an engine");
    engine.add(Request::new(vec![1, 2, 3])).expect("a request");
    let mut buffer = InputBatchBuffer::with_capacity(1024);
    assert!(engine.schedule(&mut buffer));
    let view = buffer.view().expect("a batch");
    assert_eq!((view.temperature(), view.seed(0), view.num_draft_tokens()), (None, None, None));
    assert!(!view.host_sampling());
    for (index, (_, word)) in layout::SECTIONS.iter().enumerate() {
        assert_eq!(*word, layout::INPUT_IDS + index, "sections and their offsets have one order");
    }
    let mut names: Vec<&str> = layout::CONSTANTS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), layout::CONSTANTS.len());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the words are, a view is refused or can be read to its end.
    #[test]
    fn hostile_words_do_no_harm(changes in prop::collection::vec((0..320_usize, any::<i32>()), 1..4), small in any::<bool>()) {
        let mut words = small_batch().words().to_vec();
        for (at, value) in changes {
            let at = at % words.len();
            words[at] = if small { value % 64 } else { value };
        }
        if let Ok(view) = InputBatchView::new(&words) {
            for row in 0..view.num_rows() {
                let (first, last) = view.token_range(row);
                prop_assert!(view.input_ids()[first..last].len() == view.positions()[first..last].len());
                prop_assert!(view.block_table(row).len() == view.block_table_stride());
                let _ = (view.seed(row), view.sequence_id(row));
            }
            for (token, row) in view.logits_indices().iter().zip(view.logits_rows()) {
                prop_assert!(view.slot_mapping().len() > *token as usize && view.num_rows() > *row as usize);
            }
        }
    }
}
