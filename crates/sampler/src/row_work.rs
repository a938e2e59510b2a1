//! The work of one row of a batch, on one thread: a prompt position to describe, or a token (with drafts: several) to
//! draw. Touches nothing but its own logits, its own sequence and its own outcome.

use quire_core::{InputBatchView, SequenceId};

use crate::draw::{DrawScratch, Drawn, draw_scanned};
use crate::error::SamplingError;
use crate::logprobs::{Form, LogprobColumns, Others, describe};
use crate::row_sampling::RowSampling;
use crate::row_scan::RowScan;
use crate::sampler::LogprobsMode;
use crate::sampler_output::FAILED_TOKEN;
use crate::sequence_state::SequenceState;
use crate::token_masks::{self, TokenMasks};
use crate::truncation::Candidate;

/// What holds for every row of a step.
pub(crate) struct Step<'a> {
    pub(crate) batch: &'a InputBatchView<'a>,
    pub(crate) masks: Option<&'a TokenMasks<'a>>,
    pub(crate) mode: LogprobsMode,
    pub(crate) vocab_size: usize,
}

/// One row's part of a step.
pub(crate) struct RowWork<'a> {
    /// Row of the batch.
    pub(crate) row: usize,
    /// First row of logits.
    pub(crate) logits_row: usize,
    /// One or more rows of logits, `[rows][vocabulary]`.
    pub(crate) logits: &'a mut [f32],
    pub(crate) task: Task,
    pub(crate) outcome: &'a mut RowOutcome,
}

pub(crate) enum Task {
    /// Describe `chosen` under the logits.
    Prompt { chosen: u32, num_best: usize, index: usize },
    /// Draw a token; a sequence without state has nothing but its columns.
    Sample { state: Option<Box<SequenceState>> },
}

/// What came out; reused from step to step.
#[derive(Debug, Default)]
pub(crate) struct RowOutcome {
    pub(crate) token_ids: Vec<i32>,
    pub(crate) columns: LogprobColumns,
    pub(crate) error: Option<SamplingError>,
}

/// Buffers of one thread.
#[derive(Debug, Default)]
pub(crate) struct WorkScratch {
    draw: DrawScratch,
    /// Values that logprobs describe, where they are not the logits drawn from.
    values: Vec<f32>,
    values_scan: RowScan,
    best: Vec<Candidate>,
}

impl RowWork<'_> {
    pub(crate) fn run(&mut self, step: &Step<'_>, scratch: &mut WorkScratch) {
        self.outcome.token_ids.clear();
        self.outcome.columns.clear();
        self.outcome.error = None;
        let done = match self.task {
            Task::Prompt { chosen, num_best, .. } => self.describe_prompt_id(step, scratch, chosen, num_best),
            Task::Sample { .. } => self.sample(step, scratch),
        };
        if let Err(error) = done {
            self.outcome.error = Some(error);
            self.outcome.token_ids.clear();
            self.outcome.columns.clear();
            if matches!(self.task, Task::Sample { .. }) {
                self.outcome.token_ids.push(FAILED_TOKEN);
                self.outcome.columns.end_group();
            }
        }
    }

    fn describe_prompt_id(
        &mut self,
        step: &Step<'_>,
        scratch: &mut WorkScratch,
        chosen: u32,
        num_best: usize,
    ) -> Result<(), SamplingError> {
        let WorkScratch { values_scan, best, .. } = scratch;
        scan(values_scan, self.logits)?;
        let columns = &mut self.outcome.columns;
        describe(self.logits, values_scan, chosen, Others::Best(num_best), step.mode.form(), best, columns);
        Ok(())
    }

    /// Draws from each row of logits in turn. A draft token stands as long as the draw at its place gives the same
    /// token: outputs are those of a run without drafts, whatever the drafts were.
    fn sample(&mut self, step: &Step<'_>, scratch: &mut WorkScratch) -> Result<(), SamplingError> {
        let Self { row, logits_row: first_logits_row, logits, task, outcome, .. } = self;
        let Task::Sample { state } = task else { return Ok(()) };
        let num_logits_rows = logits.len() / step.vocab_size;
        let sequence_id = step.batch.sequence_id(*row);
        for (index, logits) in logits.chunks_exact_mut(step.vocab_size).enumerate() {
            let logits_row = *first_logits_row + index;
            let sampling = RowSampling::of_row(step.batch, *row, logits_row);
            let mask = step.masks.and_then(|masks| masks.of_row(logits_row, step.vocab_size));
            if let Some(words) = mask {
                token_masks::apply(words, logits);
            }
            let place = Place { sequence_id, mask, sampling };
            let token_id = sample_one(step, scratch, state.as_deref(), logits, &place, &mut outcome.columns)? as i32;
            outcome.token_ids.push(token_id);
            if let Some(state) = state {
                state.append(token_id);
            }
            if index + 1 == num_logits_rows {
                break;
            }
            // Drafts are the input tokens after the first position sampled from.
            let draft_at = step.batch.logits_indices()[logits_row] as usize + 1;
            if step.batch.input_ids()[draft_at] != token_id {
                break;
            }
        }
        Ok(())
    }
}

/// What one row of logits is drawn with.
struct Place<'a> {
    sequence_id: SequenceId,
    /// Of the grammar.
    mask: Option<&'a [u32]>,
    sampling: RowSampling,
}

/// One token from one row of logits (grammar already applied), and its group of logprobs.
fn sample_one(
    step: &Step<'_>,
    scratch: &mut WorkScratch,
    state: Option<&SequenceState>,
    logits: &mut [f32],
    place: &Place<'_>,
    columns: &mut LogprobColumns,
) -> Result<u32, SamplingError> {
    let WorkScratch { draw, values, values_scan, best } = scratch;
    let others = state.and_then(|state| others(state, step.vocab_size));
    let changes = state.filter(|state| state.changes_logits());
    let keeps_raw = others.is_some() && changes.is_some() && step.mode.is_raw();
    if keeps_raw {
        values.clear();
        values.extend_from_slice(logits);
    }
    if let Some(state) = changes {
        state.bias_and_mask(logits);
        if state.has_processors() {
            process(state, place, logits, &mut draw.scan)?;
        }
        state.penalise_and_forbid(logits);
    }
    scan(&mut draw.scan, logits)?;
    let drawn = draw_scanned(logits, &place.sampling, draw);

    let Some(others) = others else {
        columns.end_group();
        return Ok(drawn.token_id);
    };
    let is_processed = !step.mode.is_raw() && drawn.cut.is_some();
    if is_processed {
        truncate(logits, place.sampling.temperature, &drawn, values);
    }
    let (described, scanned): (&[f32], _) = if keeps_raw || is_processed {
        scan(values_scan, values)?;
        (values, values_scan)
    } else {
        (logits, &mut draw.scan)
    };
    describe(described, scanned, drawn.token_id, others, step.mode.form(), best, columns);
    Ok(drawn.token_id)
}

fn others(state: &SequenceState, vocab_size: usize) -> Option<Others<'_>> {
    let params = state.params();
    match (&params.logprob_token_ids, params.logprobs) {
        (Some(ids), _) => Some(Others::Ids(ids)),
        (None, Some(count)) => Some(Others::Best(usize::try_from(count).unwrap_or(vocab_size))),
        (None, None) => None,
    }
}

/// Lets the sequence's processors change a row of logits, but for what is impossible in it.
fn process(
    state: &SequenceState,
    place: &Place<'_>,
    logits: &mut [f32],
    buffer: &mut RowScan,
) -> Result<(), SamplingError> {
    // NaN and nothing possible are the model's and the masks' until here, and the processors' after.
    scan(buffer, logits)?;
    let had_any = buffer.maximum() > f32::NEG_INFINITY;
    state.process(place.sequence_id, logits)?;
    if let Some(words) = place.mask {
        token_masks::apply(words, logits);
    }
    state.mask_again(logits);
    if had_any && logits.iter().all(|&logit| logit == f32::NEG_INFINITY) {
        return Err(SamplingError::ProcessorLeftNothing);
    }
    Ok(())
}

/// The values drawn from: divided by the temperature, impossible where a filter removed the id.
fn truncate(logits: &[f32], temperature: f32, drawn: &Drawn, values: &mut Vec<f32>) {
    values.clear();
    values.extend(logits.iter().enumerate().map(|(id, logit)| {
        let value = logit / temperature;
        match drawn.cut {
            Some(cut) if !cut.keeps(value, id as u32) => f32::NEG_INFINITY,
            _ => value,
        }
    }));
}

fn scan(scan: &mut RowScan, values: &[f32]) -> Result<(), SamplingError> {
    scan.scan(values).map_err(|id| SamplingError::InvalidLogits { token_id: id as u32 })
}

impl LogprobsMode {
    fn is_raw(self) -> bool {
        matches!(self, Self::RawLogprobs | Self::RawLogits)
    }

    fn form(self) -> Form {
        match self {
            Self::RawLogprobs | Self::ProcessedLogprobs => Form::LogProbability,
            Self::RawLogits | Self::ProcessedLogits => Form::Logit,
        }
    }
}
