//! The errors of the crates behind this door as failures: their codes in the words of `errors.ts`, field names in camelCase.

use quire_core::{AdmissionError, ConfigError, UpdateError};
use quire_sampler::SamplingError;
use quire_text::{GrammarError, TextError};
use serde_json::{Value, json};

use crate::failure::Failure;

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        match &error {
            ConfigError::OutOfRange { field, given, least, most } => {
                let details = json!({ "parameter": camel_case(field), "value": given, "least": least, "most": most });
                Self::new("ERR_INVALID_ARGUMENT", &error, details)
            }
            ConfigError::StepTooSmall { max_num_batched_tokens, .. } => {
                let details = json!({ "parameter": "maxNumBatchedTokens", "value": max_num_batched_tokens });
                Self::new("ERR_INVALID_ARGUMENT", &error, details)
            }
            ConfigError::TooFewBlocks { needed, available, fits, .. } => {
                let details =
                    json!({ "neededBlocks": needed, "availableBlocks": available, "maxModelLenThatFits": fits });
                Self::new("ERR_OUT_OF_MEMORY", &error, details)
            }
            _ => Self::bug(&error),
        }
    }
}

impl From<AdmissionError> for Failure {
    fn from(error: AdmissionError) -> Self {
        let parameter = |name: &str, value: Value| json!({ "parameter": name, "value": value });
        let (code, details) = match &error {
            AdmissionError::PromptEmpty => ("ERR_PROMPT_EMPTY", json!({})),
            AdmissionError::PromptTooLong { given, allowed } => {
                ("ERR_PROMPT_TOO_LONG", json!({ "given": given, "allowed": allowed }))
            }
            AdmissionError::NegativeTokenId { index, token_id } => {
                ("ERR_TOKEN_OUT_OF_RANGE", json!({ "index": index, "value": token_id }))
            }
            AdmissionError::TooFewBlocks { needed, available } => {
                ("ERR_OUT_OF_MEMORY", json!({ "neededBlocks": needed, "availableBlocks": available }))
            }
            AdmissionError::MaxTokensZero => ("ERR_INVALID_ARGUMENT", parameter("maxTokens", json!(0))),
            AdmissionError::MinTokensAboveMaxTokens { min_tokens, .. } => {
                ("ERR_INVALID_ARGUMENT", parameter("minTokens", json!(min_tokens)))
            }
            AdmissionError::NumSequencesOutOfRange { given, .. } => {
                ("ERR_INVALID_ARGUMENT", parameter("n", json!(given)))
            }
            _ => return Self::bug(&error),
        };
        Self::new(code, &error, details)
    }
}

impl From<UpdateError> for Failure {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::WrongStep { .. } => Self::bug(&error),
            _ => {
                Self::new("ERR_RUNNER", format!("The runner's output does not belong to its step: {error}"), json!({}))
            }
        }
    }
}

impl From<SamplingError> for Failure {
    fn from(error: SamplingError) -> Self {
        let (field, value) = match &error {
            SamplingError::OutOfRange { field, value, .. } => (*field, json!(value)),
            SamplingError::MinTokensAboveMaxTokens { min_tokens, .. } => ("min_tokens", json!(min_tokens)),
            SamplingError::GreedyChildren { n } => ("n", json!(n)),
            SamplingError::Empty { field } => (*field, json!([])),
            SamplingError::TooMany { field, count, .. } => (*field, json!(count)),
            SamplingError::LogprobCountMismatch { num_ids, .. } => ("logprob_token_ids", json!(num_ids)),
            SamplingError::OutOfVocabulary { field, token_id, .. } => (*field, json!(token_id)),
            SamplingError::ProcessorWroteNan { token_id } => {
                return Self::new(error.code(), &error, json!({ "tokenId": token_id }));
            }
            SamplingError::ProcessorFailed { .. } | SamplingError::ProcessorLeftNothing => {
                return Self::new(error.code(), &error, json!({}));
            }
            _ => return Self::bug(&error),
        };
        let parameter = camel_case(field);
        let message = error.to_string().replace(field, &parameter);
        Self::new("ERR_INVALID_ARGUMENT", message, json!({ "parameter": parameter, "value": value }))
    }
}

impl From<TextError> for Failure {
    fn from(error: TextError) -> Self {
        match &error {
            TextError::EmptyString { field } => {
                let details = json!({ "parameter": camel_case(field), "value": "" });
                Self::new("ERR_INVALID_ARGUMENT", &error, details)
            }
            TextError::UnknownTokenId { token_id, vocab_size } => {
                let details = json!({ "value": token_id, "vocabSize": vocab_size });
                Self::new("ERR_TOKEN_OUT_OF_RANGE", &error, details)
            }
            _ if error.code().ends_with("CHAT_TEMPLATE") => {
                Self::new("ERR_CHAT_TEMPLATE", &error, json!({ "reason": error.code() }))
            }
            _ => Self::new("ERR_TOKENIZER", &error, json!({ "reason": error.code() })),
        }
    }
}

impl From<GrammarError> for Failure {
    fn from(error: GrammarError) -> Self {
        let details = json!({ "keyword": error.keyword(), "place": error.place() });
        Self::new(error.code(), &error, details)
    }
}

/// `max_tokens` as TypeScript spells it: `maxTokens`.
fn camel_case(field: &str) -> String {
    let mut words = field.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let mut letters = word.chars();
        let capital = letters.next().map(|letter| letter.to_ascii_uppercase());
        name + &capital.into_iter().chain(letters).collect::<String>()
    })
}
