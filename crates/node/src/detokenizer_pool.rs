//! The text of all running sequences, advanced by one call per step.

use std::collections::HashMap;

use napi::bindgen_prelude::BufferSlice;
use napi_derive::napi;
use quire_text::{Delta, Detokenizer, FinishKind};

use crate::failure::{Failure, Outcome, outcome};
use crate::tokenizer::Tokenizer;
use crate::words::elements_mut;

/// How the ids of one sequence become text.
#[napi(object)]
pub struct DetokenizerOptions {
    /// Strings that end the text.
    pub stop: Vec<String>,
    pub include_stop_str_in_output: bool,
    pub skip_special_tokens: bool,
    pub spaces_between_special_tokens: bool,
    /// No stop string ends in the text of so many ids.
    pub min_tokens: u32,
}

/// One detokenizer per sequence.
#[napi]
pub struct DetokenizerPool {
    tokenizer: quire_text::Tokenizer,
    sequences: HashMap<u32, Detokenizer>,
}

#[napi]
impl DetokenizerPool {
    /// A pool without sequences.
    #[napi(constructor)]
    pub fn new(tokenizer: &Tokenizer) -> Self {
        Self { tokenizer: tokenizer.inner.clone(), sequences: HashMap::new() }
    }

    /// Takes up a sequence that continues `prompt`.
    #[napi]
    pub fn add(&mut self, sequence_id: u32, prompt: &[i32], options: DetokenizerOptions) -> Outcome<bool> {
        outcome(|| {
            let options = quire_text::DetokenizerOptions {
                prompt_token_ids: prompt,
                stop: &options.stop,
                include_stop_str_in_output: options.include_stop_str_in_output,
                skip_special_tokens: options.skip_special_tokens,
                spaces_between_special_tokens: options.spaces_between_special_tokens,
                min_tokens: options.min_tokens as usize,
            };
            let detokenizer = Detokenizer::new(&self.tokenizer, &options)?;
            Ok::<_, Failure>(self.sequences.insert(sequence_id, detokenizer).is_none())
        })
    }

    /// Forgets a sequence; false if it is not known.
    #[napi]
    pub fn remove(&mut self, sequence_id: u32) -> bool {
        self.sequences.remove(&sequence_id).is_some()
    }

    /// Takes `counts[i]` ids for `sequences[i]`, end to end in `token_ids`. `finishes[i]`: 0 goes on, 1 ended by a stop token,
    /// 2 ended otherwise. Sequences that were not added have no text.
    ///
    /// Gives the text that is final now, of all sequences end to end, and fills `columns`, the bytes of an Int32Array of three
    /// numbers per sequence: UTF-16 units of each text; indices of the stop strings that were found, -1 = none; ids that were
    /// taken, those behind a stop string being left out.
    #[napi]
    pub fn push(
        &mut self,
        sequences: &[i32],
        counts: &[i32],
        token_ids: &[i32],
        finishes: &[i32],
        mut columns: BufferSlice<'_>,
    ) -> Outcome<String> {
        outcome(|| {
            let columns: &mut [i32] = elements_mut(&mut columns)?;
            let (lengths, columns) = columns.split_at_mut_checked(sequences.len()).ok_or_else(too_few_columns)?;
            let (stops, taken) = columns.split_at_mut_checked(sequences.len()).ok_or_else(too_few_columns)?;
            let taken = taken.get_mut(..sequences.len()).ok_or_else(too_few_columns)?;
            let mut texts = String::new();
            let mut rest = token_ids;
            for (index, ((id, count), finish)) in sequences.iter().zip(counts).zip(finishes).enumerate() {
                let (ids, others) =
                    rest.split_at_checked(*count as usize).ok_or_else(|| Failure::bug("Too few token ids"))?;
                rest = others;
                let (delta, num_taken) = match self.sequences.get_mut(&(*id as u32)) {
                    Some(detokenizer) => {
                        let before = detokenizer.num_tokens();
                        let delta = detokenizer.push(ids, finish_kind(*finish))?;
                        (delta, detokenizer.num_tokens() - before)
                    }
                    None => (Delta::default(), ids.len()),
                };
                lengths[index] = utf16_len(&delta.text) as i32;
                stops[index] = delta.stop.map_or(-1, |stop| stop as i32);
                taken[index] = num_taken as i32;
                texts.push_str(&delta.text);
            }
            Ok::<_, Failure>(texts)
        })
    }
}

fn utf16_len(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

fn too_few_columns() -> Failure {
    Failure::bug("Three columns do not fit")
}

fn finish_kind(finish: i32) -> Option<FinishKind> {
    match finish {
        0 => None,
        1 => Some(FinishKind::StopToken),
        _ => Some(FinishKind::Other),
    }
}
