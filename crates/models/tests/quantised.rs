//! Models whose weights are held in blocks: near to the same weights as numbers, and the same whatever the company.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod golden;

use std::path::Path;
use std::sync::Arc;

use golden::{GoldenModel, PagedSession, argmax, fixtures, logprob, real_models, skipped};
use quire_blocks::BlockFormat;
use quire_kernels::{ElementType, Isa, Kernels, ThreadPool};
use quire_models::{CpuBackend, Quantization};

fn session(
    path: &Path,
    isa: Isa,
    threads: usize,
    quantization: Quantization,
    num_sequences: usize,
    max_tokens: usize,
) -> PagedSession<CpuBackend> {
    let kernels = Arc::new(Kernels::new(isa).unwrap());
    let backend = CpuBackend::new(kernels, Arc::new(ThreadPool::new(threads).unwrap()), ElementType::F32)
        .with_quantization(quantization);
    PagedSession::open(backend, path, ElementType::F32, 16, num_sequences, max_tokens)
}

fn bits(rows: &[Vec<f32>]) -> Vec<u32> {
    rows.iter().flatten().map(|logit| logit.to_bits()).collect()
}

/// Fixtures whose rows are whole blocks of 32.
fn some_fixtures() -> Vec<GoldenModel> {
    fixtures().into_iter().filter(|model| ["llama_gqa", "gpt2", "qwen3"].contains(&model.name.as_str())).collect()
}

#[test]
fn chunks_batches_and_threads_change_no_bit() {
    for model in some_fixtures() {
        let prompts: Vec<Vec<i32>> =
            model.cases.iter().map(|case| case.prompt.iter().chain(&case.greedy).copied().collect()).collect();
        let blocks = [BlockFormat::Q8_0, BlockFormat::Q4_0, BlockFormat::Q4_1].map(Quantization::Blocks);
        for quantization in blocks.into_iter().chain([Quantization::Int8]) {
            let open = |threads| session(&model.path, Isa::detect(), threads, quantization, prompts.len(), 64);
            let mut alone = open(1);
            let expected: Vec<Vec<u32>> =
                prompts.iter().enumerate().map(|(index, prompt)| bits(&alone.step(&[(index, prompt)]))).collect();
            for chunk in [1, 3, 7] {
                let mut together = open(2);
                let mut found = vec![Vec::new(); prompts.len()];
                for start in (0..64).step_by(chunk) {
                    let rows: Vec<(usize, &[i32])> = prompts
                        .iter()
                        .enumerate()
                        .filter(|(_, prompt)| start < prompt.len())
                        .map(|(index, prompt)| (index, &prompt[start..prompt.len().min(start + chunk)]))
                        .collect();
                    let mut logits = if rows.is_empty() { Vec::new() } else { together.step(&rows) }.into_iter();
                    for (index, tokens) in rows {
                        found[index].extend(bits(&logits.by_ref().take(tokens.len()).collect::<Vec<_>>()));
                    }
                }
                assert!(found == expected, "{} {quantization:?} chunks of {chunk}", model.name);
            }
        }
    }
}

/// How far two models are from each other on the same tokens.
struct Distance {
    /// Root mean square of the differences of logits over that of the logits, each row's mean taken off.
    logits: f64,
    /// Mean log-probabilities of the next tokens, of each.
    logprobs: [f64; 2],
    /// Share of rows whose highest logit is the same.
    agreement: f64,
}

fn distance(one: &[Vec<f32>], other: &[Vec<f32>], tokens: &[i32]) -> Distance {
    let (mut errors, mut squares, mut logprobs, mut same) = (0.0, 0.0, [0.0; 2], 0);
    for (index, (one, other)) in one.iter().zip(other).enumerate() {
        let mean = |row: &[f32]| row.iter().map(|&logit| f64::from(logit)).sum::<f64>() / row.len() as f64;
        let (one_mean, other_mean) = (mean(one), mean(other));
        for (one, other) in one.iter().zip(other) {
            let (one, other) = (f64::from(*one) - one_mean, f64::from(*other) - other_mean);
            errors += (one - other).powi(2);
            squares += one.powi(2);
        }
        same += usize::from(argmax(one) == argmax(other));
        if let Some(&next) = tokens.get(index + 1) {
            logprobs[0] += f64::from(logprob(one, next));
            logprobs[1] += f64::from(logprob(other, next));
        }
    }
    Distance {
        logits: (errors / squares).sqrt(),
        logprobs: logprobs.map(|sum| sum / (tokens.len() - 1) as f64),
        agreement: same as f64 / one.len() as f64,
    }
}

/// Logits of all tokens, in one step.
fn logits(path: &Path, quantization: Quantization, tokens: &[i32]) -> Vec<Vec<f32>> {
    session(path, Isa::detect(), 2, quantization, 1, tokens.len()).step(&[(0, tokens)])
}

/// The stated error of weights in blocks: beside the same weights as float32, activations that are rounded to bytes move
/// logits by less than a twentieth of their spread and perplexity by less than two hundredths.
#[test]
fn a_real_file_keeps_its_perplexity() {
    let name = "a_real_file_keeps_its_perplexity";
    let model = match real_models() {
        Ok(mut models) => models.remove(0),
        Err(reason) => return skipped(name, &reason),
    };
    let file = model.path.with_file_name(format!("{}.Q4_1.gguf", model.name));
    if !file.exists() {
        return skipped(name, &format!("{} is not there", file.display()));
    }
    let mut tokens: Vec<i32> =
        model.cases.iter().flat_map(|case| case.prompt.iter().chain(&case.greedy)).copied().collect();
    tokens.truncate(384);
    let exact = logits(&file, Quantization::None, &tokens);
    let found = distance(&exact, &logits(&file, Quantization::Stored, &tokens), &tokens);
    println!(
        "{}: logits {:.4}, log-probabilities {:?}, same tokens {:.3}",
        model.name, found.logits, found.logprobs, found.agreement
    );
    assert!(found.logits < 0.05, "logits are off by {} of their spread", found.logits);
    assert!((found.logprobs[0] - found.logprobs[1]).abs() < 0.02, "{:?}", found.logprobs);
    assert!(found.agreement > 0.93, "{} of the tokens", found.agreement);
}

/// The stated error of bytes with one scale for each output and for each token: perplexity moves by less than a twentieth, and
/// logits by less than a fifth of their spread. A token's largest activation decides how finely all of them are told apart.
#[test]
fn a_real_model_keeps_its_perplexity_in_int8() {
    let model = match real_models() {
        Ok(mut models) => models.remove(0),
        Err(reason) => return skipped("a_real_model_keeps_its_perplexity_in_int8", &reason),
    };
    let mut tokens: Vec<i32> =
        model.cases.iter().flat_map(|case| case.prompt.iter().chain(&case.greedy)).copied().collect();
    tokens.truncate(384);
    let exact = logits(&model.path, Quantization::None, &tokens);
    let found = distance(&exact, &logits(&model.path, Quantization::Int8, &tokens), &tokens);
    println!(
        "{}: logits {:.4}, log-probabilities {:?}, same tokens {:.3}",
        model.name, found.logits, found.logprobs, found.agreement
    );
    assert!(found.logits < 0.2, "logits are off by {} of their spread", found.logits);
    assert!((found.logprobs[0] - found.logprobs[1]).abs() < 0.05, "{:?}", found.logprobs);
    assert!(found.agreement > 0.85, "{} of the tokens", found.agreement);
}

/// Weights that are quantised as they are loaded. These small random models make errors larger than trained ones do.
#[test]
fn quantised_fixtures_stay_near() {
    for model in some_fixtures() {
        let tokens: Vec<i32> = model.cases[0].prompt.iter().chain(&model.cases[0].greedy).copied().collect();
        let exact = logits(&model.path, Quantization::None, &tokens);
        let of = |quantization| {
            let found = distance(&exact, &logits(&model.path, quantization, &tokens), &tokens);
            println!("{} {quantization:?}: logits {:.4}", model.name, found.logits);
            found.logits
        };
        let [eight_bits, five_bits] =
            [BlockFormat::Q8_0, BlockFormat::Q5_1].map(|format| of(Quantization::Blocks(format)));
        let int8 = of(Quantization::Int8);
        assert!(int8 > 0.0 && int8 < 0.25, "{}: {int8} with one scale for each row", model.name);
        assert!(eight_bits > 0.0, "{} was not quantised", model.name);
        assert!(eight_bits < 0.15, "{}: {eight_bits}", model.name);
        assert!(eight_bits < 0.5 * five_bits, "{}: {eight_bits} with eight bits, {five_bits} with five", model.name);
    }
}
