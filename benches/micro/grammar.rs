//! Structured output over a vocabulary of 128,256: `cargo bench -p quire-text`. How long schemas from real use take to compile,
//! and what a step's mask and what follows a drawn token cost. Needs the folder of shared vectors (`QUIRE_SHARED`).
#![expect(clippy::print_stdout, reason = "a bench reports to the terminal")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use quire_text::{GrammarCompiler, GrammarKind, GrammarSource, JsonOptions, Tokenizer};
use serde_json::Value;

const NUM_SCHEMAS: usize = 200;
const MAX_STEPS: usize = 300;

#[derive(Default)]
struct Times {
    compile: Vec<Duration>,
    mask: Vec<Duration>,
    take: Vec<Duration>,
}

fn main() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let shared = std::env::var_os("QUIRE_SHARED").map_or_else(|| repository.join("../shared"), PathBuf::from);
    let sample = shared.join("prompts/jsonschemabench_sample.jsonl");
    let Ok(text) = std::fs::read_to_string(&sample) else {
        println!("skipped: {} is absent and QUIRE_SHARED names no other folder", sample.display());
        return;
    };
    let tokenizer = Tokenizer::from_directory(&shared.join("tokenizers/llama-3.1")).expect("a tokenizer");
    let end = tokenizer.eos_id().expect("an end");
    let began = Instant::now();
    let compiler = GrammarCompiler::new(&tokenizer, tokenizer.vocab_size(), &[end]).expect("a compiler");
    println!("the vocabulary's tables: {:.0} ms", began.elapsed().as_secs_f64() * 1e3);
    let mut times = Times::default();
    let mut num_forced = 0;
    let mut random = 0x9E37_79B9_7F4A_7C15u64;
    for line in text.lines().take(NUM_SCHEMAS) {
        let row: Value = serde_json::from_str(line).expect("a row");
        let source = GrammarSource {
            kind: GrammarKind::JsonSchema,
            text: row["schema"].to_string(),
            json: JsonOptions::default(),
        };
        let began = Instant::now();
        let compiled = compiler.compile(&source);
        times.compile.push(began.elapsed());
        let Ok(grammar) = compiled else { continue };
        let mut matcher = grammar.matcher();
        let mut mask = vec![0; compiler.vocab_size().div_ceil(32)];
        let mut ids = Vec::new();
        for _ in 0..MAX_STEPS {
            if matcher.is_complete() {
                break;
            }
            let began = Instant::now();
            if matcher.fill_mask(&mut mask).is_err() {
                break;
            }
            times.mask.push(began.elapsed());
            let allowed: Vec<i32> =
                (0..compiler.vocab_size() as i32).filter(|id| mask[*id as usize / 32] >> (id % 32) & 1 == 1).collect();
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let drawn = allowed[(random >> 33) as usize % allowed.len()];
            if drawn == end {
                break;
            }
            let began = Instant::now();
            if matcher.accept(&[drawn]).and_then(|()| matcher.take_forced(&mut ids)).is_err() {
                break;
            }
            times.take.push(began.elapsed());
        }
        num_forced += ids.len();
    }
    println!("{} tokens drawn, {num_forced} forced", times.take.len());
    for (name, mut values) in [("compile", times.compile), ("mask", times.mask), ("take a token", times.take)] {
        values.sort_unstable();
        let at = |share: f64| values[((values.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
        println!(
            "{{\"case\": \"{name}\", \"count\": {}, \"p50_us\": {:.1}, \"p99_us\": {:.1}, \"max_us\": {:.1}}}",
            values.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}
