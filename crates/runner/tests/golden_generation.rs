//! Greedy tokens of whole models through core and runner equal transformers', however the work is cut and whoever shares
//! a step.
#![expect(clippy::unwrap_used, reason = "tests")]

mod engine;
#[path = "../../models/tests/golden/mod.rs"]
mod golden;

use engine::{Job, Setup, generate, load};
use golden::{GoldenModel, fixtures, real_models, shared_models, skipped};
use quire_runner::{BackendKind, DTypeChoice, Isa, RunnerOptions};

fn options(isa: Isa, threads: usize) -> RunnerOptions {
    RunnerOptions { dtype: DTypeChoice::Float32, threads, isa: Some(isa), ..RunnerOptions::default() }
}

fn jobs(model: &GoldenModel) -> Vec<Job> {
    model.cases.iter().map(|case| (case.prompt.clone(), case.greedy.len())).collect()
}

fn check(model: &GoldenModel, options: &RunnerOptions, setup: &Setup, place: &str) -> u64 {
    let (outputs, num_preemptions) = generate(&mut load(&model.path, options), setup, &jobs(model));
    for (index, (output, case)) in outputs.iter().zip(&model.cases).enumerate() {
        assert_eq!(output, &case.greedy, "{} case {index}: {place}", model.name);
    }
    num_preemptions
}

fn check_setups(model: &GoldenModel) {
    let best = Isa::available().next().unwrap();
    let setup = Setup::default();
    for isa in Isa::available() {
        check(model, &options(isa, 2), &setup, isa.name());
    }
    let reference = RunnerOptions { backend: BackendKind::Reference, ..options(best, 1) };
    check(model, &reference, &Setup { step_tokens: 16, max_num_seqs: 16, ..setup }, "reference");
    let one_by_one = Setup { max_num_seqs: 1, ..setup };
    check(model, &options(best, 1), &one_by_one, "one by one");
    for step_tokens in [1, 7, 64] {
        let max_num_seqs = step_tokens.min(4);
        check(
            model,
            &options(best, 2),
            &Setup { step_tokens, max_num_seqs, ..setup },
            &format!("{step_tokens} per step"),
        );
    }
    for block_size in [8, 32] {
        check(model, &options(best, 2), &Setup { block_size, ..setup }, &format!("block size {block_size}"));
    }
    check(model, &options(best, 2), &Setup { prefix_caching: false, ..setup }, "no prefix caching");
    check(model, &options(best, 2), &Setup { max_steps_in_flight: 2, ..setup }, "two steps in flight");
}

#[test]
fn fixtures_give_golden_tokens_in_every_setup() {
    fixtures().iter().for_each(check_setups);
}

#[test]
fn shared_models_give_golden_tokens_in_every_setup() {
    match shared_models() {
        Ok(models) => models.iter().for_each(check_setups),
        Err(reason) => skipped("shared_models_give_golden_tokens_in_every_setup", &reason),
    }
}

#[test]
fn preemption_and_company_change_no_token() {
    let best = Isa::available().next().unwrap();
    for model in fixtures() {
        let mut many = GoldenModel { cases: Vec::new(), ..model };
        while many.cases.len() < 64 {
            many.cases.extend(fixtures().into_iter().find(|other| other.name == many.name).unwrap().cases);
        }
        let longest = many.cases.iter().map(|case| case.prompt.len() + case.greedy.len()).max().unwrap();
        // Room for about two sequences while 64 want to run.
        let setup = Setup { block_size: 8, num_blocks: 2 + 2 * longest.div_ceil(8), ..Setup::default() };
        let num_preemptions = check(&many, &options(best, 2), &setup, "few blocks");
        assert!(num_preemptions > 0 || many.name.contains("window"), "{}: nothing was preempted", many.name);
        check(&many, &options(best, 2), &Setup::default(), "64 together");
    }
}

#[test]
fn a_real_chat_model_gives_golden_tokens() {
    match real_models() {
        Ok(models) => models.iter().for_each(|model| {
            let best = Isa::available().next().unwrap();
            check(model, &options(best, 2), &Setup { num_blocks: 2_048, ..Setup::default() }, "all together");
        }),
        Err(reason) => skipped("a_real_chat_model_gives_golden_tokens", &reason),
    }
}
