//! Configurations and results that are refused, with the numbers that explain why; and nothing changes by it.

use quire_core::{
    AdmissionError, ConfigError, DraftModel, EngineConfig, EngineCore, FAILED_TOKEN, FinishReason, InputBatchBuffer,
    PromptLookup, Request, SampledTokens, StepOutput, UpdateError,
};

const DRAFTS: DraftModel = DraftModel { max_draft_tokens: 2, max_step_tokens: 9, max_model_len: 9, vocab_size: 9 };
const LOOKUP: Option<PromptLookup> =
    Some(PromptLookup { max_draft_tokens: 2, min_match: 1, max_match: 2, max_step_tokens: 9 });

fn config() -> EngineConfig {
    let mut config = EngineConfig::new(4, 9, 32, [0; 16]);
    (config.max_num_seqs, config.max_num_batched_tokens, config.max_logits_rows) = (4, 16, 8);
    config
}

#[test]
fn configurations() {
    type Change = fn(&mut EngineConfig);
    let rows: [(Change, &str); 20] = [
        (|c| c.block_size = 0, "block_size"),
        (|c| c.num_blocks = 1, "num_blocks"),
        (|c| c.num_blocks = 1 << 30, "num_blocks"),
        (|c| c.max_num_seqs = 0, "max_num_seqs"),
        (|c| c.max_model_len = 1, "max_model_len"),
        (|c| c.max_num_batched_tokens = 3, "max_num_batched_tokens"),
        (|c| c.watermark_blocks = 8, "watermark_blocks"),
        (|c| c.max_logits_rows = 3, "max_logits_rows"),
        (|c| c.num_lookahead_tokens = 9999, "num_lookahead_tokens"),
        (|c| c.max_steps_in_flight = 0, "max_steps_in_flight"),
        (|c| c.max_steps_in_flight = 3, "max_steps_in_flight"),
        (|c| c.sliding_window = Some(0), "sliding_window"),
        (|c| c.draft_model = Some(DRAFTS), "num_lookahead_tokens"),
        (|c| (c.draft_model, c.num_lookahead_tokens, c.sliding_window) = (Some(DRAFTS), 2, Some(9)), "sliding_window"),
        (|c| (c.draft_model, c.num_lookahead_tokens, c.prompt_lookup) = (Some(DRAFTS), 2, LOOKUP), "draft proposers"),
        (|c| c.enable_chunked_prefill = false, "step"),
        (|c| c.num_blocks = 8, "blocks"),
        (|c| c.num_lookahead_tokens = 2, "blocks"),
        (|c| c.sliding_window = Some(30), "blocks fit"),
        (|_| (), "fine"),
    ];
    for (change, expected) in rows {
        let mut config = config();
        change(&mut config);
        let found = match config.validate() {
            Ok(()) if expected == "blocks fit" => "blocks fit",
            Ok(()) => "fine",
            Err(ConfigError::OutOfRange { field, .. }) => field,
            Err(ConfigError::StepTooSmall { .. }) => "step",
            Err(ConfigError::TooFewBlocks { .. }) => "blocks",
            Err(_) => "something else",
        };
        assert_eq!(found, expected);
        assert_eq!(EngineCore::new(config).is_ok(), matches!(expected, "fine" | "blocks" | "blocks fit"), "{expected}");
    }
    let few = EngineConfig::new(4, 5, 1000, [0; 16]);
    let error = few.validate().expect_err("too few");
    assert_eq!(error, ConfigError::TooFewBlocks { max_model_len: 1000, needed: 250, available: 4, fits: 17 });
    assert_eq!(error.code(), "ERR_KV_CACHE_TOO_SMALL");
}

#[test]
fn admissions_carry_numbers() {
    let mut few = config();
    few.num_blocks = 3;
    let mut engine = EngineCore::new(few).expect("an engine");
    let mut refuse = |request: Request| engine.add(request).expect_err("refused");
    assert_eq!(refuse(Request::new(vec![1; 32])), AdmissionError::PromptTooLong { given: 32, allowed: 31 });
    assert_eq!(refuse(Request::new(vec![1; 9])), AdmissionError::TooFewBlocks { needed: 3, available: 2 });
    assert_eq!(refuse(Request::new(vec![1, -5])), AdmissionError::NegativeTokenId { index: 1, token_id: -5 });
    assert!(!engine.has_unfinished());
}

#[test]
fn results_that_do_not_belong_to_the_step() {
    let mut engine = EngineCore::new(config()).expect("an engine");
    let first = engine.add(Request::new(vec![1; 20])).expect("a request").first;
    engine.add(Request::new(vec![1, 2])).expect("a request");
    let mut buffer = InputBatchBuffer::new();
    let none = SampledTokens { counts: &[], token_ids: &[], num_forced: &[] };
    assert_eq!(engine.update(1, none).err(), Some(UpdateError::WrongStep { given: 1, expected: None }));
    assert!(engine.schedule(&mut buffer)); // 16 of 20 tokens: nothing is sampled
    let refused = |engine: &mut EngineCore, step, counts: &[i32], token_ids: &[i32]| {
        engine.update(step, SampledTokens { counts, token_ids, num_forced: &[] }).cloned().expect_err("refused")
    };
    assert_eq!(refused(&mut engine, 2, &[0], &[]), UpdateError::WrongStep { given: 2, expected: Some(1) });
    assert_eq!(refused(&mut engine, 1, &[], &[]), UpdateError::WrongNumRows { given: 0, expected: 1 });
    let too_many = UpdateError::WrongTokenCount { row: 0, sequence_id: first, given: 1, allowed: 0 };
    assert_eq!(refused(&mut engine, 1, &[1], &[5]), too_many);
    let nothing = SampledTokens { counts: &[0], token_ids: &[], num_forced: &[] };
    assert_eq!(engine.update(1, nothing), Ok(&StepOutput::default()));
    assert!(engine.schedule(&mut buffer));
    let too_few = UpdateError::WrongTokenCount { row: 1, sequence_id: first, given: 0, allowed: 1 };
    let UpdateError::WrongTokenCount { row: 1, given: 0, allowed: 1, .. } = refused(&mut engine, 2, &[1, 0], &[5])
    else {
        panic!("expected {too_few:?}")
    };
    assert_eq!(refused(&mut engine, 2, &[1, 1], &[5]), UpdateError::WrongNumTokens { given: 1, expected: 2 });
    let negative = UpdateError::NegativeTokenId { index: 1, token_id: -3 };
    assert_eq!(refused(&mut engine, 2, &[1, 1], &[5, -3]), negative);
    let forced = |engine: &mut EngineCore, counts: &[i32], token_ids: &[i32], num_forced: &[i32]| {
        engine.update(2, SampledTokens { counts, token_ids, num_forced }).cloned().expect_err("refused")
    };
    let nothing_drawn = forced(&mut engine, &[1, 1], &[5, 6], &[1, 0]);
    assert!(matches!(nothing_drawn, UpdateError::WrongTokenCount { row: 0, given: 1, .. }), "{nothing_drawn:?}");
    let below = forced(&mut engine, &[1, 1], &[5, 6], &[0, -1]);
    assert!(matches!(below, UpdateError::ForcedTokens { row: 1, given: -1, .. }), "{below:?}");
    let wrong_rows = UpdateError::WrongNumRows { given: 1, expected: 2 };
    assert_eq!(forced(&mut engine, &[1, 1], &[5, 6], &[0]), wrong_rows);
    assert_eq!(engine.fail_step(9).cloned(), Err(UpdateError::WrongStep { given: 9, expected: Some(2) }));
    let failed = engine.fail_step(2).expect("in flight");
    assert_eq!(failed.finish_reasons, [Some(FinishReason::Error); 2]);
    let mut words = Vec::new();
    failed.write_words(&mut words);
    assert_eq!(words, [2, 0, 1, 2, 0, 0, 4, 4, -1, -1, 0, 0]);
    assert!(!engine.has_unfinished());
    engine.check_invariants().expect("the books balance");
}

#[test]
fn a_row_whose_logits_are_no_numbers_ends_alone() {
    let mut engine = EngineCore::new(config()).expect("a valid configuration");
    let broken = engine.add(Request::new(vec![1, 2, 3])).expect("a request").first;
    let sound = engine.add(Request::new(vec![4, 5])).expect("a request").first;
    let mut buffer = InputBatchBuffer::new();
    assert!(engine.schedule(&mut buffer));
    let output = engine
        .update(1, SampledTokens { counts: &[1, 1], token_ids: &[FAILED_TOKEN, 7], num_forced: &[] })
        .expect("a result");
    assert_eq!(output.sequences, [broken, sound]);
    assert_eq!(output.num_tokens, [0, 1]);
    assert_eq!(output.token_ids, [7]);
    assert_eq!(output.finish_reasons, [Some(FinishReason::Error), None]);
    engine.check_invariants().expect("invariants hold");
    assert!(engine.schedule(&mut buffer));
    assert!(engine.update(2, SampledTokens { counts: &[1], token_ids: &[8], num_forced: &[] }).is_ok());
    assert!(engine.abort(sound));
    assert!(!engine.has_unfinished());
    assert_eq!(engine.stats().num_free_blocks, 8);
}
