//! A small language for scheduler tests. One command a line, `#` starts a comment:
//!
//! ```text
//! == name                          a new trace
//! config key=value ...             the engine (see `config`); before anything else
//! add a key=value ...              a request (see `request`); `!! CODE` = refused with this code
//! step a:10 b:1 preempts c => a+1  schedule, run, update: rows with their tokens, who yielded, what came out
//! schedule ... / update => ...     the halves of a step; `schedule -` = nothing to run
//! emit a 7 8                       a draws these tokens next
//! force a 7 8                      behind what a draws next, these tokens are forced; `end` = nothing follows
//! drafts a 7 8 / abort a / unblock a / reset         `!` at the end: refused
//! fail a b / fail_newest a         the oldest, or newest, step in flight fails; these end with an error
//! pause new | all | none
//! table a 1 2 0                    block table of a in the last batch
//! inputs a 5 -1                    input ids of a in the last batch
//! free 5 / waiting 2 / cached a 8 / common 2         numbers
//! prompt_logits a 0 1 2            positions whose prompt logits were asked for so far
//! stats name=value ...
//! events stored:2 removed:1 cleared
//! ```
//!
//! Output is `a+2` (two tokens), `a+1/length`, `a+1/stop(7)`, `a/error`. At its end every trace runs until nothing is
//! left, and every token that was not emitted by order must be the one that the bare history gives.

use crate::device::{Device, Sampled, next_token};
use quire_core::*;
use std::collections::{HashMap, VecDeque};

pub(crate) fn run_file(text: &str) {
    let mut traces: Vec<(String, Vec<(usize, &str)>)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(name) = line.strip_prefix("== ") {
            traces.push((name.to_owned(), Vec::new()));
        } else if !line.is_empty() {
            traces.last_mut().expect("a trace has a name").1.push((number + 1, line));
        }
    }
    for (name, lines) in traces {
        let mut trace = Trace::new(lines[0].1, &name);
        for (number, line) in &lines[1..] {
            trace.place = format!("{name}, line {number}: {line}");
            trace.command(line);
            trace.engine.check_invariants().unwrap_or_else(|broken| panic!("{}: {broken}", trace.place));
        }
        trace.place = format!("{name}, at its end");
        trace.drain();
    }
}

struct Trace {
    place: String,
    engine: EngineCore,
    config: EngineConfig,
    device: Device,
    buffer: InputBatchBuffer,
    /// Batches that the device has yet to run.
    batches: VecDeque<Vec<i32>>,
    names: HashMap<SequenceId, String>,
    ids: HashMap<String, SequenceId>,
    /// Prompts and outputs as the caller sees them.
    histories: HashMap<SequenceId, Vec<i32>>,
    cached: HashMap<SequenceId, u32>,
    emitted: Vec<SequenceId>,
    num_names: i32,
}

fn pairs(words: &[&str]) -> Vec<(String, String)> {
    words
        .iter()
        .map(|word| word.split_once('=').map_or((word.to_string(), "1".to_owned()), |(k, v)| (k.into(), v.into())))
        .collect()
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text} is not a number"))
}

fn config(line: &str) -> EngineConfig {
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[0], "config", "a trace starts with its configuration");
    let mut config = EngineConfig::new(4, 11, 64, [3; 16]);
    (config.max_num_seqs, config.max_num_batched_tokens, config.max_logits_rows) = (8, 32, 64);
    for (key, value) in pairs(&words[1..]) {
        match key.as_str() {
            "block_size" => config.block_size = number(&value),
            "blocks" => config.num_blocks = number(&value),
            "seqs" => config.max_num_seqs = number(&value),
            "budget" => config.max_num_batched_tokens = number(&value),
            "len" => config.max_model_len = number(&value),
            "caching" => config.enable_prefix_caching = value == "1",
            "chunked" => config.enable_chunked_prefill = value == "1",
            "reserve" => config.reserve_full_prompt = value == "1",
            "threshold" => config.long_prefill_token_threshold = number(&value),
            "watermark" => config.watermark_blocks = number(&value),
            "priority" => config.policy = SchedulingPolicy::Priority,
            "window" => config.sliding_window = Some(number(&value)),
            "logits" => config.max_logits_rows = number(&value),
            "lookahead" => config.num_lookahead_tokens = number(&value),
            "lookup" => {
                let max_draft_tokens = number(&value);
                let lookup = PromptLookup { max_draft_tokens, min_match: 2, max_match: 3, max_step_tokens: 16 };
                config.prompt_lookup = Some(lookup);
            }
            "in_flight" => config.max_steps_in_flight = number(&value),
            "events" => config.enable_events = true,
            _ => panic!("unknown configuration {key}"),
        }
    }
    config
}

impl Trace {
    fn new(line: &str, name: &str) -> Self {
        let config = config(line);
        let engine = EngineCore::new(config.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self {
            place: name.to_owned(),
            engine,
            device: Device::new(config.num_blocks, config.block_size, config.sliding_window),
            config,
            buffer: InputBatchBuffer::new(),
            batches: VecDeque::new(),
            names: HashMap::new(),
            ids: HashMap::new(),
            histories: HashMap::new(),
            cached: HashMap::new(),
            emitted: Vec::new(),
            num_names: 0,
        }
    }

    fn id(&self, name: &str) -> SequenceId {
        *self.ids.get(name).unwrap_or_else(|| panic!("{}: nobody is called {name}", self.place))
    }

    fn command(&mut self, line: &str) {
        let (line, refused) = match line.strip_suffix(" !") {
            Some(line) => (line, true),
            None => (line, false),
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        let numbers = |words: &[&str]| words.iter().map(|word| number::<i32>(word)).collect::<Vec<_>>();
        let place = self.place.clone();
        match words[0] {
            "add" => self.add(&words[1..]),
            "step" => {
                let (rows, output) = line[4..].split_once("=>").unwrap_or((&line[4..], ""));
                if self.schedule(rows.trim()) {
                    self.update(output.trim());
                }
            }
            "schedule" => {
                self.schedule(line[8..].trim());
            }
            "update" => self.update(line[6..].trim().trim_start_matches("=>").trim()),
            "emit" => {
                let id = self.id(words[1]);
                self.device.scripted.insert(id.as_word(), numbers(&words[2..]));
                self.emitted.push(id);
            }
            "force" => {
                let id = self.id(words[1]);
                let forced = words[2..].iter().map(|word| match *word {
                    "end" => COMPLETE_TOKEN,
                    number => number.parse().expect("a token"),
                });
                self.device.forced.insert(id.as_word(), forced.collect());
            }
            "drafts" => {
                let id = self.id(words[1]);
                assert_eq!(self.engine.set_draft_tokens(id, &numbers(&words[2..])), !refused, "{place}");
            }
            "abort" => {
                let id = self.id(words[1]);
                assert_eq!(self.engine.abort(id), !refused, "{place}");
            }
            "unblock" => {
                let id = self.id(words[1]);
                assert_eq!(self.engine.unblock(id), !refused, "{place}");
            }
            "reset" => assert_eq!(self.engine.reset_prefix_cache(), !refused, "{place}"),
            "fail" | "fail_newest" => {
                let words = if words[0] == "fail" { self.batches.pop_front() } else { self.batches.pop_back() };
                let step_id = words.expect("a step is in flight")[layout::STEP_ID] as u32;
                let output = self.engine.fail_step(step_id).expect("the step is in flight").clone();
                let expected: Vec<String> =
                    line.split_whitespace().skip(1).map(|name| format!("{name}/error")).collect();
                assert_eq!(self.describe(&output), expected, "{place}");
            }
            "pause" => self.engine.set_pause(match words[1] {
                "new" => PauseState::PausedNew,
                "all" => PauseState::PausedAll,
                _ => PauseState::Unpaused,
            }),
            "table" | "inputs" => self.check_row(words[0], self.id(words[1]), &numbers(&words[2..])),
            "free" => assert_eq!(self.engine.stats().num_free_blocks, number::<u64>(words[1]), "{place}"),
            "waiting" => assert_eq!(self.engine.stats().num_waiting, number::<u64>(words[1]), "{place}"),
            "common" => assert_eq!(self.engine.num_common_prefix_blocks(), number::<u32>(words[1]), "{place}"),
            "cached" => assert_eq!(self.cached[&self.id(words[1])], number::<u32>(words[2]), "{place}"),
            "prompt_logits" => {
                let asked = self.device.prompt_logits.get(&self.id(words[1]).as_word()).cloned().unwrap_or_default();
                assert_eq!(asked, numbers(&words[2..]), "{place}");
            }
            "stats" => self.check_stats(&pairs(&words[1..])),
            "events" => self.check_events(&words[1..]),
            unknown => panic!("{place}: unknown command {unknown}"),
        }
    }

    fn add(&mut self, words: &[&str]) {
        let name = words[0];
        let refused = words.iter().position(|word| *word == "!!").map(|at| words[at + 1]);
        let keys = &words[1..words.iter().position(|word| *word == "!!").unwrap_or(words.len())];
        self.num_names += 1;
        let mut base = self.num_names * 1000;
        let mut length = 4;
        let mut request = Request::new(Vec::new());
        let mut tokens = None;
        for (key, value) in pairs(keys) {
            let list = || value.split(',').filter(|item| !item.is_empty()).map(number::<i32>).collect::<Vec<_>>();
            match key.as_str() {
                "prompt" => length = number(&value),
                "like" => base = number::<i32>(&value) * 1000,
                "tokens" => tokens = Some(list()),
                "max" => request.max_tokens = if value == "none" { None } else { Some(number(&value)) },
                "min" => request.min_tokens = number(&value),
                "n" => request.num_sequences = number(&value),
                "eos" => request.eos_token_id = Some(number(&value)),
                "stop" => request.stop_token_ids = list(),
                "ignore_eos" => request.ignore_eos = true,
                "priority" => request.priority = number(&value),
                "arrival" => request.arrival = number(&value),
                "salt" => request.cache_salt = Some(value.clone().into_bytes()),
                "prompt_logprobs" => request.prompt_logprobs = true,
                "skip_cache" => request.skip_reading_prefix_cache = true,
                "blocked" => request.blocked = true,
                "lora" => request.extra_keys.push(ExtraKey { bytes: value.into_bytes(), start: 0, end: u32::MAX }),
                "image" => {
                    let parts: Vec<&str> = value.split('@').collect();
                    let (start, end) = parts[1].split_once("..").expect("a range");
                    let (start, end) = (number(start), number(end));
                    request.extra_keys.push(ExtraKey { bytes: parts[0].as_bytes().to_vec(), start, end });
                }
                "repetition" => {
                    let [min_pattern_size, max_pattern_size, min_count] = list()[..] else { panic!("min,max,count") };
                    request.repetition_detection = Some(RepetitionDetection {
                        min_pattern_size: min_pattern_size as u32,
                        max_pattern_size: max_pattern_size as u32,
                        min_count: min_count as u32,
                    });
                }
                _ => panic!("{}: unknown key {key}", self.place),
            }
        }
        request.prompt_token_ids = tokens.unwrap_or_else(|| (0..length).map(|index| base + index).collect());
        let (prompt, n) = (request.prompt_token_ids.clone(), request.num_sequences);
        let admitted = match (self.engine.add(request), refused) {
            (Ok(admitted), None) => admitted,
            (Err(error), Some(code)) if error.code() == code => return,
            (answer, _) => panic!("{}: {answer:?}", self.place),
        };
        assert_eq!(admitted.count, n, "{}", self.place);
        for (index, id) in admitted.sequences().enumerate() {
            let name = if n == 1 { name.to_owned() } else { format!("{name}.{index}") };
            assert_eq!(self.engine.request_of(id), Some(admitted.request));
            self.ids.insert(name.clone(), id);
            self.names.insert(id, name);
            self.histories.insert(id, prompt.clone());
        }
    }

    fn schedule(&mut self, expected: &str) -> bool {
        let before: Vec<i32> = self.buffer.words().to_vec();
        if !self.engine.schedule(&mut self.buffer) {
            assert!(matches!(expected, "-" | "*"), "{}: nothing to run", self.place);
            assert_eq!(before, self.buffer.words(), "{}: the buffer was touched", self.place);
            return false;
        }
        let step = self.engine.steps_in_flight().last().expect("a step was scheduled").clone();
        let view = self.buffer.view().unwrap_or_else(|error| panic!("{}: {error}", self.place));
        let rows = step.sequences.iter().map(|row| format!("{}:{}", self.names[&row.sequence_id], row.num_tokens));
        let mut found = rows.collect::<Vec<_>>().join(" ");
        if !step.preempted.is_empty() {
            let names: Vec<&str> = step.preempted.iter().map(|id| self.names[id].as_str()).collect();
            found = format!("{found} preempts {}", names.join(" "));
        }
        if !matches!(expected, "?" | "*") {
            assert_eq!(found, expected, "{}", self.place);
        }
        assert!(view.num_tokens() <= self.config.max_num_batched_tokens as usize, "{}: budget", self.place);
        assert!(view.num_logits() <= self.config.max_logits_rows as usize, "{}: logits", self.place);
        assert!(view.max_block_id() < self.config.num_blocks, "{}: blocks", self.place);
        self.batches.push_back(view.words().to_vec());
        true
    }

    fn update(&mut self, expected: &str) {
        let words = self.batches.pop_front().unwrap_or_else(|| panic!("{}: no step in flight", self.place));
        let sampled = self.device.execute(&InputBatchView::new(&words).expect("it was read before"));
        let Sampled { counts, token_ids, num_forced, .. } = &sampled;
        let tokens = SampledTokens { counts, token_ids, num_forced };
        let rows = InputBatchView::new(&words).expect("it was read before");
        let num_drawn: HashMap<SequenceId, i32> =
            (0..rows.num_rows()).map(|row| (rows.sequence_id(row), counts[row] - num_forced[row])).collect();
        let output = match self.engine.update(sampled.step_id, tokens) {
            Ok(output) => output.clone(),
            Err(error) => panic!("{}: {error}", self.place),
        };
        let found = self.describe(&output);
        if !expected.is_empty() {
            let expected: Vec<&str> = expected.split_whitespace().filter(|word| *word != "-").collect();
            assert_eq!(found, expected, "{}", self.place);
        }
        let mut token_ids = output.token_ids.iter();
        for (id, count) in output.sequences.iter().zip(&output.num_tokens) {
            let history = self.histories.get_mut(id).expect("a history");
            for (index, token) in token_ids.by_ref().take(*count as usize).enumerate() {
                if !self.emitted.contains(id) && (index as i32) < num_drawn[id] {
                    assert_eq!(*token, next_token(history, self.config.sliding_window), "{}: {id:?}", self.place);
                }
                history.push(*token);
            }
        }
        self.cached.extend(output.sequences.iter().copied().zip(output.num_cached_tokens.iter().copied()));
    }

    fn describe(&self, output: &StepOutput) -> Vec<String> {
        let mut found = Vec::new();
        for (index, id) in output.sequences.iter().enumerate() {
            let mut text = self.names[id].clone();
            if output.num_tokens[index] > 0 {
                text += &format!("+{}", output.num_tokens[index]);
            }
            if let Some(reason) = output.finish_reasons[index] {
                text += &format!("/{}", format!("{reason:?}").to_lowercase());
            }
            if let Some(token_id) = output.stop_token_ids[index] {
                text += &format!("({token_id})");
            }
            found.push(text);
        }
        found
    }

    fn check_row(&self, what: &str, id: SequenceId, expected: &[i32]) {
        let view = self.buffer.view().expect("a batch");
        let row = view.sequence_ids().iter().position(|word| *word == id.as_word());
        let row = row.unwrap_or_else(|| panic!("{}: not in the last batch", self.place));
        let (first, last) = view.token_range(row);
        let found = match what {
            "table" => {
                // The padding behind the row's own blocks is not the row's.
                let used = (view.seq_lens()[row] as usize).div_ceil(view.block_size());
                &view.block_table(row)[..used.max(expected.len().min(view.block_table_stride()))]
            }
            _ => &view.input_ids()[first..last],
        };
        assert_eq!(found, expected, "{}", self.place);
    }

    fn check_stats(&self, expected: &[(String, String)]) {
        let stats = self.engine.stats();
        for (name, value) in expected {
            let found = match name.as_str() {
                "queries" => stats.prefix_cache_queries,
                "hits" => stats.prefix_cache_hits,
                "again_queries" => stats.preempted_prefix_cache_queries,
                "again_hits" => stats.preempted_prefix_cache_hits,
                "preemptions" => stats.num_preemptions,
                "running" => stats.num_running,
                "cached_blocks" => stats.num_cached_blocks,
                "generated" => stats.num_generated_tokens,
                "drafts" => stats.num_draft_tokens,
                "accepted" => stats.num_accepted_draft_tokens,
                "scheduled" => stats.num_scheduled_tokens,
                name if name.starts_with("accepted_at_") => {
                    let position: usize = number(&name["accepted_at_".len()..]);
                    self.engine.num_accepted_draft_tokens_by_position().get(position).copied().unwrap_or(0)
                }
                _ => panic!("{}: unknown statistic {name}", self.place),
            };
            assert_eq!(found, number::<u64>(value), "{}: {name}", self.place);
        }
    }

    fn check_events(&mut self, expected: &[&str]) {
        let mut found: Vec<String> = Vec::new();
        for event in self.engine.take_events() {
            match event {
                KvCacheEvent::BlockStored { hashes, token_ids, block_size, extra_digests, .. } => {
                    assert_eq!(token_ids.len(), hashes.len() * block_size as usize);
                    assert_eq!(extra_digests.len(), hashes.len());
                    found.push(format!("stored:{}", hashes.len()));
                }
                KvCacheEvent::BlockRemoved { .. } => found.push("removed".to_owned()),
                KvCacheEvent::AllBlocksCleared => found.push("cleared".to_owned()),
            }
        }
        assert_eq!(found, expected, "{}", self.place);
    }

    /// Runs until nothing is left: nothing hangs, and the histories stay right.
    fn drain(&mut self) {
        self.engine.set_pause(PauseState::Unpaused);
        for id in self.ids.values() {
            self.engine.unblock(*id);
        }
        for _ in 0..10_000 {
            if !self.engine.has_unfinished() {
                return;
            }
            // A step in flight may have to return before there is something to run.
            let may_be_idle = !self.batches.is_empty();
            self.schedule(if may_be_idle { "*" } else { "?" });
            self.update("");
            self.engine.check_invariants().unwrap_or_else(|broken| panic!("{}: {broken}", self.place));
        }
        panic!("{}: does not end", self.place);
    }
}
