//! Golden outputs of transformers, for the checkpoints in tests/fixtures and, where they are at hand, the real models
//! shared beside the repository; and a session that runs a model over a paged cache without any engine.
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of it")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use quire_kernels::{CacheType, ElementType, SharedBuffer};
use quire_models::{Backend, CausalModel, ForwardInput, KvCache, Model, load, read_config};
use quire_weights::{FileSystem, ModelConfig, ModelDirectory};
use serde_json::Value;

/// One prompt of a golden file, whichever of the two formats it came in.
pub(crate) struct GoldenCase {
    pub(crate) prompt: Vec<i32>,
    pub(crate) greedy: Vec<i32>,
    /// (position in the prompt, all logits)
    pub(crate) logits: Vec<(usize, Vec<f32>)>,
    /// Of the prompt's tokens from the second on.
    pub(crate) prompt_logprobs: Vec<f32>,
    /// Of the first greedy tokens.
    pub(crate) greedy_logprobs: Vec<f32>,
    /// How many greedy tokens bfloat16 keeps, where known.
    pub equal_in_bfloat16: Option<usize>,
}

pub(crate) struct GoldenModel {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) cases: Vec<GoldenCase>,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The small random checkpoints of the repository.
pub(crate) fn fixtures() -> Vec<GoldenModel> {
    models_in(&repository().join("tests/fixtures"))
}

/// Those of them whose matrices are stored as levels and scales.
pub(crate) fn quantised_fixtures() -> Vec<GoldenModel> {
    models_in(&repository().join("tests/fixtures/quantised"))
}

/// The real models beside the repository, or why there are none.
pub(crate) fn shared_models() -> Result<Vec<GoldenModel>, String> {
    let shared = std::env::var_os("QUIRE_SHARED").map_or_else(|| repository().join("../shared"), PathBuf::from);
    let models = shared.join("models");
    if models.is_dir() { Ok(models_in(&models)) } else { Err(format!("{} is not there", models.display())) }
}

/// The models that the test suite fetched, in float32, with the golden file that is shared; or why there are none.
pub(crate) fn real_models() -> Result<Vec<GoldenModel>, String> {
    let absent = || std::env::var("QUIRE_TEST_MODELS_SKIPPED").unwrap_or("QUIRE_TEST_MODELS is not set".to_string());
    let fetched = std::env::var_os("QUIRE_TEST_MODELS").map(PathBuf::from).ok_or_else(absent)?;
    let shared = std::env::var_os("QUIRE_SHARED").map_or_else(|| repository().join("../shared"), PathBuf::from);
    let name = "smollm2-135m-instruct";
    let golden = [fetched.join(name), shared.join("models").join(name)].map(|folder| folder.join("golden.json"));
    let Some(golden) = golden.iter().find(|golden| golden.exists()) else {
        return Err(format!("{name} has no golden.json"));
    };
    read_model(&fetched.join(name), golden).map(|model| vec![model]).ok_or_else(|| format!("{name} was not fetched"))
}

/// Prints why a test did not run; the runner of the tests counts these lines.
#[expect(clippy::print_stdout, reason = "tests say what they skip")]
pub(crate) fn skipped(test: &str, reason: &str) {
    println!("SKIPPED {test}: {reason}");
}

fn models_in(directory: &Path) -> Vec<GoldenModel> {
    let mut models: Vec<GoldenModel> = std::fs::read_dir(directory)
        .map(|entries| entries.filter_map(|entry| read_folder(&entry.unwrap().path())).collect())
        .unwrap_or_default();
    models.sort_by(|one, other| one.name.cmp(&other.name));
    models
}

fn read_folder(path: &Path) -> Option<GoldenModel> {
    read_model(path, &path.join("golden.json"))
}

/// A folder with weights and its golden file; others are not ours to test.
fn read_model(path: &Path, golden: &Path) -> Option<GoldenModel> {
    let has_weights = path.join("model.safetensors").exists() || path.join("model.safetensors.index.json").exists();
    if !has_weights {
        return None;
    }
    let golden: Value = serde_json::from_slice(&std::fs::read(golden).ok()?).unwrap();
    let dynamic = golden["fixed"].is_object();
    let cases = match golden["prompts"].as_array() {
        Some(prompts) => prompts.iter().filter_map(|prompt| fixture_case(prompt, dynamic)).collect(),
        None => golden["cases"].as_array().unwrap().iter().map(shared_case).collect(),
    };
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    Some(GoldenModel { name, path: path.to_path_buf(), cases })
}

fn fixture_case(prompt: &Value, dynamic: bool) -> Option<GoldenCase> {
    // Under dynamic NTK only generation from a prompt within the trained length has one answer; see RopeAngles.
    if dynamic && prompt["prompt_passes_original_max"].as_bool().unwrap() {
        return None;
    }
    let greedy = if dynamic { "greedy_token_ids_with_cache" } else { "greedy_token_ids" };
    let logits = prompt["logits"].as_array().unwrap().iter();
    Some(GoldenCase {
        prompt: ids(&prompt["prompt_token_ids"]),
        greedy: ids(&prompt[greedy]),
        logits: logits.map(|row| (row["position"].as_u64().unwrap() as usize, numbers(&row["values"]))).collect(),
        prompt_logprobs: numbers(&prompt["prompt_logprobs"]),
        greedy_logprobs: if dynamic { Vec::new() } else { numbers(&prompt["greedy_logprobs"]) },
        equal_in_bfloat16: None,
    })
}

fn shared_case(case: &Value) -> GoldenCase {
    let logprobs = case.get("logprobs").or(case.get("logprobs_first_48")).unwrap().as_array().unwrap();
    GoldenCase {
        prompt: ids(&case["prompt_token_ids"]),
        greedy: ids(&case["output_token_ids"]),
        logits: Vec::new(),
        prompt_logprobs: numbers(case.get("prompt_logprobs").or(case.get("prompt_logprobs_first_64")).unwrap()),
        greedy_logprobs: logprobs.iter().map(|entry| entry["logprob"].as_f64().unwrap() as f32).collect(),
        equal_in_bfloat16: case["equal_prefix_tokens"]["bfloat16"].as_u64().map(|count| count as usize),
    }
}

fn ids(value: &Value) -> Vec<i32> {
    value.as_array().unwrap().iter().map(|id| id.as_i64().unwrap() as i32).collect()
}

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().filter_map(|number| number.as_f64().map(|number| number as f32)).collect()
}

/// Log-probability of `token` under a row of logits.
pub(crate) fn logprob(logits: &[f32], token: i32) -> f32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - most).exp()).sum();
    logits[token as usize] - most - sum.ln() as f32
}

/// The lowest id among the highest logits.
pub(crate) fn argmax(logits: &[f32]) -> i32 {
    let mut best = 0;
    for (index, &logit) in logits.iter().enumerate() {
        if logit > logits[best] {
            best = index;
        }
    }
    best as i32
}

/// A model with its cache; every sequence owns blocks that are scattered over it.
pub(crate) struct PagedSession<B: Backend> {
    pub(crate) backend: B,
    pub(crate) config: ModelConfig,
    model: Box<dyn CausalModel<B>>,
    caches: Vec<B::KvCache>,
    block_size: usize,
    blocks_per_sequence: usize,
    num_sequences: usize,
    /// Tokens of each sequence that are in the cache.
    computed: Vec<usize>,
}

impl<B: Backend<KvCache = KvCache> + 'static> PagedSession<B> {
    pub(crate) fn open(
        backend: B,
        path: &Path,
        cache_type: impl Into<CacheType>,
        block_size: usize,
        num_sequences: usize,
        max_tokens: usize,
    ) -> PagedSession<B> {
        let directory = ModelDirectory::open(&FileSystem, path).unwrap();
        let config = read_config(&directory.config).unwrap();
        let Model::Causal(mut model) = load(&backend, &config, &directory.tensors, &|_| {}).unwrap().model else {
            panic!("{} is no decoder", path.display())
        };
        model.limit_sequences(max_tokens);
        let blocks_per_sequence = max_tokens.div_ceil(block_size);
        let num_blocks = 1 + blocks_per_sequence * num_sequences;
        let (cache_type, num_kv_heads, head_dim) = (cache_type.into(), config.num_key_value_heads, config.head_dim);
        let slot_stride = cache_type.slot_elements(head_dim);
        let bytes = KvCache::size_bytes(cache_type, num_blocks, num_kv_heads, block_size, head_dim).unwrap();
        let cache = || {
            let buffer = SharedBuffer::zeroed(bytes).unwrap();
            KvCache { buffer, cache_type, num_blocks, block_size, num_kv_heads, head_dim, slot_stride }
        };
        let caches = (0..config.num_hidden_layers).map(|_| cache()).collect();
        let computed = vec![0; num_sequences];
        PagedSession { backend, config, model, caches, block_size, blocks_per_sequence, num_sequences, computed }
    }

    /// Forgets a sequence's tokens.
    pub(crate) fn restart(&mut self, sequence: usize) {
        self.computed[sequence] = 0;
    }

    fn block(&self, sequence: usize, index: usize) -> i32 {
        // Interleaved and from the back, so that neighbours in a sequence are never neighbours in memory.
        let rank = index * self.num_sequences + sequence;
        (self.blocks_per_sequence * self.num_sequences - rank) as i32
    }

    /// Appends tokens to sequences, all in one step; logits of every token, `[tokens][vocab]`.
    pub(crate) fn step(&mut self, rows: &[(usize, &[i32])]) -> Vec<Vec<f32>> {
        let stride = self.blocks_per_sequence;
        let (mut input_ids, mut positions, mut slot_mapping) = (Vec::new(), Vec::new(), Vec::new());
        let (mut query_start_loc, mut seq_lens, mut block_tables) = (vec![0], Vec::new(), Vec::new());
        for &(sequence, tokens) in rows {
            for &token in tokens {
                let position = self.computed[sequence];
                let block = self.block(sequence, position / self.block_size);
                input_ids.push(token);
                positions.push(position as i32);
                slot_mapping.push(block * self.block_size as i32 + (position % self.block_size) as i32);
                self.computed[sequence] += 1;
            }
            let length = self.computed[sequence];
            query_start_loc.push(input_ids.len() as i32);
            seq_lens.push(length as i32);
            let used = length.div_ceil(self.block_size);
            block_tables.extend((0..stride).map(|index| if index < used { self.block(sequence, index) } else { 0 }));
        }
        let logits_indices: Vec<i32> = (0..input_ids.len() as i32).collect();
        let input = ForwardInput {
            input_ids: &input_ids,
            positions: &positions,
            slot_mapping: &slot_mapping,
            query_start_loc: &query_start_loc,
            seq_lens: &seq_lens,
            block_tables: &block_tables,
            block_table_stride: stride,
            logits_indices: &logits_indices,
        };
        let mut logits = vec![0.0; input_ids.len() * self.config.vocab_size];
        self.model.forward(&self.backend, &input, &self.caches, &mut logits).unwrap();
        logits.chunks(self.config.vocab_size).map(<[f32]>::to_vec).collect()
    }

    /// Greedy tokens after `prompt`, which is computed in chunks of `chunk` tokens.
    pub(crate) fn greedy(&mut self, sequence: usize, prompt: &[i32], chunk: usize, num_tokens: usize) -> Vec<i32> {
        self.restart(sequence);
        let mut last = Vec::new();
        for tokens in prompt.chunks(chunk) {
            last = self.step(&[(sequence, tokens)]).pop().unwrap();
        }
        let mut output = Vec::new();
        while output.len() < num_tokens {
            output.push(argmax(&last));
            if output.len() < num_tokens {
                last = self.step(&[(sequence, &output[output.len() - 1..])]).pop().unwrap();
            }
        }
        output
    }
}

/// Compares a backend in f32 with everything that a golden file says. Returns the largest difference of a logit or
/// log-probability.
pub(crate) fn check_golden<B: Backend<KvCache = KvCache> + 'static>(
    backend: B,
    model: &GoldenModel,
    tolerance: f32,
) -> f32 {
    let longest = model.cases.iter().map(|case| case.prompt.len() + case.greedy.len()).max().unwrap();
    let mut session = PagedSession::open(backend, &model.path, ElementType::F32, 16, 1, longest);
    let mut largest = 0.0_f32;
    for (index, case) in model.cases.iter().enumerate() {
        let place = format!("{} case {index}", model.name);
        let mut compare = |what: &str, found: f32, golden: f32| {
            let difference = (found - golden).abs();
            assert!(difference <= tolerance, "{place}: {what} is {found}, golden {golden}");
            largest = largest.max(difference);
        };
        session.restart(0);
        let forced: Vec<i32> = case.prompt.iter().chain(&case.greedy).copied().collect();
        let rows = session.step(&[(0, &case.prompt)]);
        for (position, golden) in &case.logits {
            for (token, (&found, &golden)) in rows[*position].iter().zip(golden).enumerate() {
                compare(&format!("logit {token} at {position}"), found, golden);
            }
        }
        for (position, &golden) in case.prompt_logprobs.iter().enumerate() {
            compare("prompt logprob", logprob(&rows[position], case.prompt[position + 1]), golden);
        }
        session.restart(0);
        let rows = session.step(&[(0, &forced)]);
        for (step, &golden) in case.greedy_logprobs.iter().enumerate() {
            let row = &rows[case.prompt.len() - 1 + step];
            compare("greedy logprob", logprob(row, case.greedy[step]), golden);
            assert_eq!(argmax(row), case.greedy[step], "{place}: teacher-forced step {step}");
        }
        let generated = session.greedy(0, &case.prompt, usize::MAX, case.greedy.len());
        assert_eq!(generated, case.greedy, "{place}: generated");
    }
    largest
}
