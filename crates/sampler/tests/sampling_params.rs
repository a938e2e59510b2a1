//! Which parameters are refused, in what words, and what the accepted ones become.

use quire_core::SamplingColumns;
use quire_sampler::{SamplingError, SamplingParams};

fn with(change: impl FnOnce(&mut SamplingParams)) -> SamplingParams {
    let mut params = SamplingParams::default();
    change(&mut params);
    params
}

fn refusal(params: &SamplingParams) -> Option<(Option<&'static str>, String)> {
    let error = params.validate().and_then(|()| params.validate_for(100, 20)).err()?;
    Some((error.field(), error.to_string()))
}

#[test]
fn refused() {
    type Change = fn(&mut SamplingParams);
    let rows: &[(Change, &str, &str)] = &[
        (|p| p.n = 0, "n", "n must be at least 1 and at most 16384, got 0"),
        (|p| p.n = 16_385, "n", "n must be at least 1 and at most 16384, got 16385"),
        (|p| (p.n, p.temperature) = (2, 0.0), "n", "n must be 1 when using greedy sampling, got 2"),
        (|p| p.presence_penalty = 2.5, "presence_penalty", "presence_penalty must be in [-2, 2], got 2.5"),
        (|p| p.presence_penalty = f32::NAN, "presence_penalty", "presence_penalty must be in [-2, 2], got NaN"),
        (|p| p.frequency_penalty = -2.5, "frequency_penalty", "frequency_penalty must be in [-2, 2], got -2.5"),
        (|p| p.frequency_penalty = f32::NAN, "frequency_penalty", "frequency_penalty must be in [-2, 2], got NaN"),
        (|p| p.repetition_penalty = 0.0, "repetition_penalty", "repetition_penalty must be greater than zero, got 0"),
        (
            |p| p.repetition_penalty = f32::INFINITY,
            "repetition_penalty",
            "repetition_penalty must be a finite number, got inf",
        ),
        (
            |p| p.repetition_penalty = f32::NAN,
            "repetition_penalty",
            "repetition_penalty must be a finite number, got NaN",
        ),
        (|p| p.temperature = -0.5, "temperature", "temperature must be non-negative, got -0.5"),
        (|p| p.temperature = 2.5, "temperature", "temperature must be in [0, 2], got 2.5"),
        (|p| p.temperature = f32::NAN, "temperature", "temperature must be a finite number, got NaN"),
        (|p| p.temperature = f32::INFINITY, "temperature", "temperature must be a finite number, got inf"),
        (|p| p.top_p = 0.0, "top_p", "top_p must be in (0, 1], got 0"),
        (|p| p.top_p = 1.5, "top_p", "top_p must be in (0, 1], got 1.5"),
        (|p| p.top_p = f32::NAN, "top_p", "top_p must be in (0, 1], got NaN"),
        (|p| p.top_k = -2, "top_k", "top_k must be 0 (disable), or at least 1, got -2"),
        (|p| p.min_p = -0.5, "min_p", "min_p must be in [0, 1], got -0.5"),
        (|p| p.min_p = 1.5, "min_p", "min_p must be in [0, 1], got 1.5"),
        (|p| p.min_p = f32::NAN, "min_p", "min_p must be in [0, 1], got NaN"),
        (|p| p.max_tokens = Some(0), "max_tokens", "max_tokens must be at least 1, got 0"),
        (|p| p.min_tokens = -1, "min_tokens", "min_tokens must be greater than or equal to 0, got -1"),
        (|p| p.min_tokens = 17, "min_tokens", "min_tokens must be less than or equal to max_tokens=16, got 17"),
        (|p| p.logprobs = Some(-2), "logprobs", "logprobs must be non-negative or -1, got -2"),
        (|p| p.logprobs = Some(21), "logprobs", "logprobs asks for 21, at most 20 allowed"),
        (|p| p.logprobs = Some(-1), "logprobs", "logprobs asks for 100, at most 20 allowed"),
        (|p| p.prompt_logprobs = Some(-2), "prompt_logprobs", "prompt_logprobs must be non-negative or -1, got -2"),
        (|p| p.prompt_logprobs = Some(21), "prompt_logprobs", "prompt_logprobs asks for 21, at most 20 allowed"),
        (|p| p.logit_bias = vec![(3, f32::NAN)], "logit_bias", "logit_bias must be a number, got NaN"),
        (
            |p| p.logit_bias = vec![(100, 1.0)],
            "logit_bias",
            "logit_bias holds token id 100, which is not in the vocabulary of 100",
        ),
        (
            |p| p.logit_bias = vec![(-1, 1.0)],
            "logit_bias",
            "logit_bias holds token id -1, which is not in the vocabulary of 100",
        ),
        (|p| p.allowed_token_ids = Some(vec![]), "allowed_token_ids", "allowed_token_ids must not be empty"),
        (
            |p| p.allowed_token_ids = Some(vec![5, 100]),
            "allowed_token_ids",
            "allowed_token_ids holds token id 100, which is not in the vocabulary of 100",
        ),
        (|p| p.bad_words = vec![vec![1], vec![]], "bad_words", "bad_words must not be empty"),
        (
            |p| p.bad_words = vec![vec![1, -7]],
            "bad_words",
            "bad_words holds token id -7, which is not in the vocabulary of 100",
        ),
        (
            |p| p.logprob_token_ids = Some(vec![1; 129]),
            "logprob_token_ids",
            "logprob_token_ids asks for 129, at most 128 allowed",
        ),
        (
            |p| p.logprob_token_ids = Some(vec![100]),
            "logprob_token_ids",
            "logprob_token_ids holds token id 100, which is not in the vocabulary of 100",
        ),
        (
            |p| (p.logprobs, p.logprob_token_ids) = (Some(2), Some(vec![1])),
            "logprob_token_ids",
            "logprob_token_ids has 1 ids, but logprobs is 2",
        ),
    ];
    for (change, field, message) in rows {
        let params = with(change);
        assert_eq!(refusal(&params), Some((Some(*field), (*message).to_owned())), "{params:?}");
        let error = params.validate().and_then(|()| params.validate_for(100, 20)).expect_err("refused");
        assert_eq!(error.code(), "ERR_SAMPLING_PARAMS");
    }
}

#[test]
fn accepted() {
    type Change = fn(&mut SamplingParams);
    let rows: &[Change] = &[
        |_| (),
        |p| p.n = 16_384,
        |p| p.top_k = -1,
        |p| p.top_k = i32::MAX,
        |p| p.temperature = 2.0,
        |p| p.temperature = 0.0,
        |p| p.min_p = 1.0,
        |p| p.top_p = f32::MIN_POSITIVE,
        |p| p.repetition_penalty = 1e-30,
        |p| (p.max_tokens, p.min_tokens) = (None, 1000),
        |p| p.min_tokens = 16,
        |p| p.logprobs = Some(20),
        |p| p.logprobs = Some(0),
        |p| p.logit_bias = vec![(0, f32::INFINITY), (99, -1000.0)],
        |p| p.logprob_token_ids = Some((0..99).collect()),
        |p| p.stop_and_eos_ids = vec![-1, 100_000],
    ];
    for change in rows {
        let params = with(change);
        assert_eq!(refusal(&params), None, "{params:?}");
    }
    assert_eq!(with(|p| p.logprobs = Some(-1)).validate_for(100, -1), Ok(()));
    assert!(matches!(
        with(|p| p.logprobs = Some(101)).validate_for(100, -1),
        Err(SamplingError::TooMany { limit: 100, .. })
    ));
}

#[test]
fn columns() {
    let bits = f32::to_bits;
    let usual = SamplingColumns {
        temperature_bits: bits(1.0),
        top_p_bits: bits(1.0),
        min_p_bits: bits(0.0),
        top_k: 0,
        seed: 5,
    };
    let greedy = SamplingColumns { seed: 5, ..SamplingColumns::GREEDY };
    let rows = [
        (with(|_| ()), usual),
        (with(|p| p.seed = Some(-1)), usual),
        (with(|p| p.seed = Some(-9)), SamplingColumns { seed: -9, ..usual }),
        (with(|p| p.top_k = -1), usual),
        (with(|p| p.min_p = -0.0), usual),
        (with(|p| p.temperature = 0.005), SamplingColumns { temperature_bits: bits(0.01), ..usual }),
        (with(|p| p.temperature = 1e-5), SamplingColumns { temperature_bits: bits(0.01), ..usual }),
        (with(|p| p.temperature = 0.9e-5), greedy),
        (with(|p| (p.temperature, p.top_p, p.top_k, p.min_p) = (0.0, 0.5, 7, 0.1)), greedy),
        (
            with(|p| (p.temperature, p.top_p, p.top_k, p.min_p) = (0.8, 0.5, 7, 0.1)),
            SamplingColumns {
                temperature_bits: bits(0.8),
                top_p_bits: bits(0.5),
                min_p_bits: bits(0.1),
                top_k: 7,
                seed: 5,
            },
        ),
    ];
    for (params, expected) in rows {
        assert_eq!(params.columns(5), expected, "{params:?}");
    }
}

#[test]
fn needs_host() {
    type Change = fn(&mut SamplingParams);
    let rows: &[(Change, bool)] = &[
        (|_| (), false),
        (|p| (p.temperature, p.top_k, p.top_p, p.min_p, p.seed) = (0.5, 5, 0.5, 0.1, Some(3)), false),
        (|p| p.stop_and_eos_ids = vec![2], false),
        (|p| p.min_tokens = 2, false),
        (|p| (p.min_tokens, p.stop_and_eos_ids) = (2, vec![2]), true),
        (|p| p.presence_penalty = 0.1, true),
        (|p| p.frequency_penalty = 0.1, true),
        (|p| p.repetition_penalty = 1.1, true),
        (|p| p.logit_bias = vec![(1, 1.0)], true),
        (|p| p.allowed_token_ids = Some(vec![1]), true),
        (|p| p.bad_words = vec![vec![1]], true),
        (|p| p.logprobs = Some(0), true),
        (|p| p.prompt_logprobs = Some(0), true),
        (|p| p.logprob_token_ids = Some(vec![1]), true),
        (|p| p.has_grammar = true, true),
    ];
    for (change, expected) in rows {
        let params = with(change);
        assert_eq!(params.needs_host(), *expected, "{params:?}");
    }
}
