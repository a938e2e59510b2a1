//! Random workloads against an honest device: whatever the engine is configured to, every sequence must produce the
//! tokens that its bare history gives, every sequence must end, and the books must balance after every step.

mod device;

use device::{Device, Sampled, next_token};
use proptest::prelude::*;
use quire_core::{
    DraftModel, EngineConfig, EngineCore, ExtraKey, FinishReason, InputBatchBuffer, InputBatchView, PromptLookup,
    Request, SampledTokens, SchedulingPolicy, SequenceId,
};
use std::collections::{HashMap, VecDeque};

#[derive(Clone, Debug)]
struct Job {
    /// Steps after which it arrives.
    arrives: u32,
    /// Index of a shared beginning, and its length.
    family: i32,
    shared: usize,
    own: usize,
    max_tokens: u32,
    min_tokens: u32,
    num_sequences: u32,
    priority: i32,
    salted: bool,
    adapter: bool,
    prompt_logprobs: bool,
    stops: bool,
    /// Aborted after this many steps.
    aborted: Option<u32>,
}

fn job() -> impl Strategy<Value = Job> {
    let lengths = (0..40_u32, 0..3_i32, 0..24_usize, 1..12_usize, 1..14_u32, 0..6_u32);
    let rest = (1..3_u32, 0..3_i32, prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    let more = (prop::bool::weighted(0.1), any::<bool>(), prop::option::weighted(0.15, 0..60_u32));
    (lengths, rest, more).prop_map(|(lengths, rest, more)| Job {
        arrives: lengths.0,
        family: lengths.1,
        shared: lengths.2,
        own: lengths.3,
        max_tokens: lengths.4,
        min_tokens: lengths.5.min(lengths.4),
        num_sequences: rest.0,
        priority: rest.1,
        salted: rest.2,
        adapter: rest.3,
        prompt_logprobs: more.0,
        stops: more.1,
        aborted: more.2,
    })
}

fn config() -> impl Strategy<Value = EngineConfig> {
    let sizes = (1..9_u32, 6..40_u32, 1..7_u32, 0..24_u32, prop::option::weighted(0.3, 1..12_u32));
    let switches = (any::<bool>(), prop::bool::weighted(0.8), any::<bool>(), any::<bool>(), 1..3_u32);
    let numbers = (0..7_u32, 0..3_u32, 0..3_u32, 0..8_u32);
    (sizes, switches, numbers).prop_map(|(sizes, switches, numbers)| {
        let max_model_len = 48;
        let mut config = EngineConfig::new(sizes.0, sizes.1 * 8 / sizes.0 + 2, max_model_len, [9; 16]);
        config.max_num_seqs = sizes.2;
        config.max_num_batched_tokens = sizes.2 + sizes.3;
        config.sliding_window = sizes.4;
        config.enable_prefix_caching = switches.0;
        config.enable_chunked_prefill = switches.1;
        config.reserve_full_prompt = switches.2;
        if switches.3 {
            config.policy = SchedulingPolicy::Priority;
        }
        config.max_steps_in_flight = switches.4;
        if !config.enable_chunked_prefill {
            config.max_num_batched_tokens = max_model_len;
        }
        config.long_prefill_token_threshold = numbers.0;
        config.watermark_blocks = numbers.1.min(config.num_blocks - 2);
        config.num_lookahead_tokens = numbers.2;
        config.max_logits_rows = config.max_num_seqs + numbers.3;
        config.enable_events = true;
        config
    })
}

/// A sequence as its caller sees it.
struct Caller {
    history: Vec<i32>,
    job: Job,
    num_prompt_tokens: usize,
    ended: bool,
}

const EOS: i32 = 5;
const STOP: i32 = 6;

fn request(job: &Job) -> Request {
    let shared = (0..job.shared).map(|index| job.family * 100 + index as i32);
    let own = (0..job.own).map(|index| 7000 + (job.own * 31 + job.shared * 7 + index) as i32);
    let mut request = Request::new(shared.chain(own).collect());
    request.max_tokens = Some(job.max_tokens);
    request.min_tokens = job.min_tokens;
    request.num_sequences = job.num_sequences;
    request.priority = job.priority;
    request.cache_salt = job.salted.then(|| b"salt".to_vec());
    if job.adapter {
        request.extra_keys.push(ExtraKey { bytes: b"adapter".to_vec(), start: 0, end: u32::MAX });
    }
    request.prompt_logprobs = job.prompt_logprobs;
    request.eos_token_id = job.stops.then_some(EOS);
    request.stop_token_ids = if job.stops { vec![STOP] } else { Vec::new() };
    request
}

struct Run {
    engine: EngineCore,
    config: EngineConfig,
    device: Device,
    /// The model that drafts; it thinks as the other one does, so that every draft is right that it is not made to get wrong.
    draft_device: Device,
    buffer: InputBatchBuffer,
    batches: VecDeque<Vec<i32>>,
    callers: HashMap<SequenceId, Caller>,
    drafting: bool,
    failing: bool,
    num_steps: u32,
}

impl Run {
    fn new(config: &EngineConfig, drafting: bool, failing: bool) -> Self {
        Self {
            engine: EngineCore::new(config.clone()).expect("a configuration in range"),
            device: Device::new(config.num_blocks, config.block_size, config.sliding_window),
            draft_device: Device::new(config.num_blocks, config.block_size, None),
            config: config.clone(),
            buffer: InputBatchBuffer::new(),
            batches: VecDeque::new(),
            callers: HashMap::new(),
            drafting,
            failing,
            num_steps: 0,
        }
    }

    fn add(&mut self, job: &Job) {
        let request = request(job);
        let prompt = request.prompt_token_ids.clone();
        let Ok(admitted) = self.engine.add(request) else {
            let fits = self.config.blocks_for_sequence(prompt.len() as u32) <= self.config.num_usable_blocks();
            assert!(prompt.len() >= self.config.max_model_len as usize || !fits, "refused without reason");
            return;
        };
        for id in admitted.sequences() {
            let caller =
                Caller { history: prompt.clone(), job: job.clone(), num_prompt_tokens: prompt.len(), ended: false };
            self.callers.insert(id, caller);
        }
    }

    fn abort_due(&mut self, step: u32) {
        for (id, caller) in &mut self.callers {
            if caller.job.aborted == Some(step) && !caller.ended {
                assert!(self.engine.abort(*id));
                caller.ended = true;
            }
        }
    }

    /// A round of drafts: each is what comes next, but for those that are made wrong.
    fn draft(&mut self) {
        let mut token_ids = Vec::new();
        let mut buffer = InputBatchBuffer::new();
        let mut histories: HashMap<SequenceId, Vec<i32>> = HashMap::new();
        for pass in 0.. {
            if !self.engine.draft(&token_ids, &mut buffer).expect("the tokens of the batch before") {
                break;
            }
            self.engine.check_invariants().expect("the books balance");
            let view = buffer.view().expect("what the engine writes can be read");
            assert!(view.num_tokens() <= self.config.max_num_batched_tokens as usize);
            token_ids = self.draft_device.execute(&view).token_ids;
            let sampling = (0..view.num_rows()).filter(|row| view.sample_index()[*row] >= 0);
            for (row, token_id) in sampling.zip(&mut token_ids) {
                let id = view.sequence_id(row);
                let history = histories.entry(id).or_insert_with(|| self.callers[&id].history.clone());
                assert_eq!(*token_id, next_token(history, None), "{id:?} pass {pass}");
                if (self.num_steps + pass + row as u32).is_multiple_of(5) {
                    *token_id = (*token_id + 1) % 3;
                }
                history.push(*token_id);
            }
            // Whoever goes while drafts are made is heard of no more.
            if pass == 1 {
                let mut going = histories.keys().copied().filter(|id| self.callers[id].job.aborted.is_some());
                if let Some((id, caller)) = going.next().and_then(|id| Some((id, self.callers.get_mut(&id)?))) {
                    assert!(self.engine.abort(id));
                    caller.ended = true;
                }
            }
        }
    }

    fn schedule(&mut self) -> bool {
        if self.batches.is_empty() {
            self.draft();
        }
        if !self.engine.schedule(&mut self.buffer) {
            return false;
        }
        let view = self.buffer.view().expect("what the engine writes can be read");
        assert!(view.num_tokens() <= self.config.max_num_batched_tokens as usize);
        assert!(view.num_rows() <= self.config.max_num_seqs as usize);
        assert!(view.num_logits() <= self.config.max_logits_rows as usize);
        assert!(view.max_block_id() < self.config.num_blocks);
        self.check_blocks_in_flight(&view);
        self.batches.push_back(view.words().to_vec());
        self.num_steps += 1;
        true
    }

    /// A block that this step writes belongs to nobody else in the step before it.
    fn check_blocks_in_flight(&self, view: &InputBatchView<'_>) {
        let Some(before) = self.batches.back() else { return };
        let before = InputBatchView::new(before).expect("it was read before");
        for row in 0..view.num_rows() {
            let (first, last) = view.token_range(row);
            for slot in &view.slot_mapping()[first..last] {
                let block = *slot / view.block_size() as i32;
                for other in (0..before.num_rows()).filter(|other| before.sequence_id(*other) != view.sequence_id(row))
                {
                    // What lies behind the sliding window of the row's first token, nobody looks at.
                    let window = self.config.sliding_window.unwrap_or(u32::MAX) as usize;
                    let first_visible = (before.num_computed()[other] as usize + 1).saturating_sub(window);
                    let table = &before.block_table(other)[first_visible / view.block_size()..];
                    assert!(!table.contains(&block), "block {block} was handed out in flight");
                }
            }
        }
    }

    /// Forces some tokens behind those drawn: the ones that would have been drawn, so that the end stays the same.
    fn force(&self, view: &InputBatchView<'_>, drawn: &mut Sampled) {
        let mut token_ids = Vec::new();
        let mut rest = drawn.token_ids.as_slice();
        for row in 0..view.num_rows() {
            let (own, others) = rest.split_at(drawn.counts[row] as usize);
            rest = others;
            token_ids.extend_from_slice(own);
            let Some(caller) = self.callers.get(&view.sequence_id(row)).filter(|_| !own.is_empty()) else { continue };
            let mut history = [caller.history.as_slice(), own].concat();
            for _ in 0..(self.num_steps as usize + row) % 4 {
                let next = next_token(&history, self.config.sliding_window);
                history.push(next);
                token_ids.push(next);
                drawn.counts[row] += 1;
                drawn.num_forced[row] += 1;
            }
        }
        drawn.token_ids = token_ids;
    }

    fn finish_step(&mut self) {
        let words = self.batches.pop_front().expect("a step in flight");
        let view = InputBatchView::new(&words).expect("it was read before");
        let output = if self.failing && self.num_steps.is_multiple_of(7) {
            self.engine.fail_step(view.step_id()).expect("the step is in flight").clone()
        } else {
            let mut drawn = self.device.execute(&view);
            if self.config.max_steps_in_flight == 1 {
                self.force(&view, &mut drawn);
            }
            let Sampled { step_id, counts, token_ids, num_forced } = drawn;
            let sampled = SampledTokens { counts: &counts, token_ids: &token_ids, num_forced: &num_forced };
            self.engine.update(step_id, sampled).expect("a result that belongs to the step").clone()
        };
        self.engine.check_invariants().expect("the books balance");
        let mut token_ids = output.token_ids.iter();
        for (index, id) in output.sequences.iter().enumerate() {
            let caller = self.callers.get_mut(id).expect("a sequence that was added");
            assert!(!caller.ended, "told about a sequence that has ended");
            for token in token_ids.by_ref().take(output.num_tokens[index] as usize) {
                assert_eq!(*token, next_token(&caller.history, self.config.sliding_window), "{id:?}");
                caller.history.push(*token);
            }
            caller.ended = output.finish_reasons[index].is_some();
            match output.finish_reasons[index] {
                Some(FinishReason::Length | FinishReason::Stop) => {
                    assert_eq!(caller.history, reference(caller, &self.config), "{id:?}");
                }
                None if self.drafting => {
                    // Right, wrong and right again: verified and rejected ones occur.
                    let right = next_token(&caller.history, self.config.sliding_window);
                    let drafts = [right, (right + self.num_steps as i32) % 3, 1];
                    self.engine.set_draft_tokens(*id, &drafts[..(self.num_steps % 4) as usize]);
                }
                _ => {}
            }
        }
    }

    fn finish(mut self, jobs: &[Job]) -> Vec<(Vec<i32>, bool)> {
        let last_arrival = jobs.iter().map(|job| job.arrives).max().unwrap_or(0);
        for round in 0..20_000 {
            for job in jobs.iter().filter(|job| job.arrives == round) {
                self.add(job);
            }
            self.abort_due(round);
            self.engine.check_invariants().expect("the books balance");
            let scheduled = self.schedule();
            let full = self.batches.len() >= self.config.max_steps_in_flight as usize;
            if !self.batches.is_empty() && (full || !scheduled || round % 3 == 0) {
                self.finish_step();
            } else if !scheduled {
                assert!(!self.engine.has_unfinished(), "stuck");
                if round > last_arrival {
                    break;
                }
            }
        }
        assert!(!self.engine.has_unfinished(), "starved");
        let accepted = self.engine.stats().num_accepted_draft_tokens;
        assert!(
            self.config.draft_model.is_none() || jobs.len() < 100 || accepted > 100,
            "{accepted} drafts were right"
        );
        let by_position = self.engine.num_accepted_draft_tokens_by_position();
        assert_eq!(by_position.iter().sum::<u64>(), accepted);
        assert!(by_position.is_sorted_by(|a, b| a >= b), "{by_position:?}");
        assert!(self.engine.reset_prefix_cache(), "a block is still held");
        self.engine.take_events();
        let mut callers: Vec<(SequenceId, Caller)> = self.callers.into_iter().collect();
        callers.sort_by_key(|(id, _)| *id);
        callers.into_iter().map(|(_, caller)| (caller.history, caller.job.aborted.is_some())).collect()
    }
}

/// What a sequence must have become, from its prompt alone.
fn reference(caller: &Caller, config: &EngineConfig) -> Vec<i32> {
    let mut history = caller.history[..caller.num_prompt_tokens].to_vec();
    loop {
        let token = next_token(&history, config.sliding_window);
        history.push(token);
        let num_outputs = (history.len() - caller.num_prompt_tokens) as u32;
        let stops = caller.job.stops && num_outputs >= caller.job.min_tokens && [EOS, STOP].contains(&token);
        if stops || num_outputs >= caller.job.max_tokens || history.len() as u32 >= config.longest_sequence() {
            return history;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn company_never_changes_tokens(
        config in config(),
        jobs in prop::collection::vec(job(), 1..24),
        drafting in any::<bool>(),
        lookup in prop::option::of((1..6_u32, 1..3_u32, 1..40_u32)),
        draft_model in prop::option::of((1..6_u32, 1..40_u32, 8..60_u32, prop::sample::select(vec![60, 7100, 10_000]))),
    ) {
        let mut config = config;
        if let Some((max_draft_tokens, max_step_tokens, max_model_len, vocab_size)) = draft_model {
            config.draft_model = Some(DraftModel { max_draft_tokens, max_step_tokens, max_model_len, vocab_size });
            config.num_lookahead_tokens = config.num_lookahead_tokens.max(max_draft_tokens);
            config.sliding_window = None;
            Run::new(&config, false, false).finish(&jobs);
            return Ok(());
        }
        config.prompt_lookup = lookup.map(|(max_draft_tokens, max_match, max_step_tokens)| PromptLookup {
            max_draft_tokens,
            min_match: 1,
            max_match,
            max_step_tokens,
        });
        Run::new(&config, drafting, false).finish(&jobs);
    }

    #[test]
    fn failures_take_their_own_sequences_only(
        config in config(),
        jobs in prop::collection::vec(job(), 1..24),
        drafting in any::<bool>(),
    ) {
        let mut config = config;
        if drafting {
            config.draft_model =
                Some(DraftModel { max_draft_tokens: 3, max_step_tokens: 40, max_model_len: 48, vocab_size: 10_000 });
            (config.num_lookahead_tokens, config.sliding_window) = (3, None);
        }
        Run::new(&config, false, true).finish(&jobs);
    }
}

/// The same work under configurations that could hardly differ more gives the same tokens.
#[test]
fn configurations_agree() {
    let jobs: Vec<Job> = (0..200)
        .map(|index: u32| Job {
            arrives: index / 3,
            family: (index % 3) as i32,
            shared: (index * 7 % 24) as usize,
            own: 1 + (index % 11) as usize,
            max_tokens: 1 + index % 13,
            min_tokens: 0,
            num_sequences: 1 + index % 2,
            priority: (index % 4) as i32,
            salted: index.is_multiple_of(10),
            adapter: false,
            prompt_logprobs: index.is_multiple_of(9),
            stops: index.is_multiple_of(2),
            aborted: None,
        })
        .collect();
    let base = EngineConfig::new(4, 400, 48, [1; 16]);
    type Change = fn(&mut EngineConfig);
    let with = |change: Change| {
        let mut config = base.clone();
        change(&mut config);
        Run::new(&config, false, false).finish(&jobs)
    };
    let expected = with(|_| {});
    assert_eq!(expected.len(), 300);
    let changes: [(&str, Change); 11] = [
        ("one token a step", |config| (config.max_num_seqs, config.max_num_batched_tokens) = (1, 1)),
        ("small chunks", |config| config.long_prefill_token_threshold = 3),
        ("no chunks", |config| config.enable_chunked_prefill = false),
        ("no caching", |config| config.enable_prefix_caching = false),
        ("blocks of one", |config| (config.block_size, config.num_blocks) = (1, 800)),
        ("hardly any blocks", |config| (config.num_blocks, config.reserve_full_prompt) = (14, false)),
        ("priority, few blocks", |config| {
            (config.policy, config.num_blocks, config.reserve_full_prompt) = (SchedulingPolicy::Priority, 20, false);
        }),
        ("drafts", |config| {
            config.prompt_lookup =
                Some(PromptLookup { max_draft_tokens: 5, min_match: 1, max_match: 2, max_step_tokens: 99 });
        }),
        ("a model that drafts", |config| {
            config.draft_model =
                Some(DraftModel { max_draft_tokens: 4, max_step_tokens: 99, max_model_len: 48, vocab_size: 10_000 });
            config.num_lookahead_tokens = 4;
        }),
        ("a model that drafts, few blocks", |config| {
            config.draft_model =
                Some(DraftModel { max_draft_tokens: 2, max_step_tokens: 12, max_model_len: 48, vocab_size: 10_000 });
            (config.num_lookahead_tokens, config.num_blocks, config.reserve_full_prompt) = (2, 24, false);
        }),
        ("two in flight", |config| (config.max_steps_in_flight, config.num_blocks) = (2, 25)),
    ];
    for (what, change) in changes {
        assert_eq!(with(change), expected, "{what}");
    }
}
