//! The batches of the model that drafts: what it has not computed of each sequence, and then a draft at a time.

use super::EngineCore;
use crate::draft_model::DraftModel;
use crate::errors::UpdateError;
use crate::ids::SequenceId;
use crate::input_batch::buffer::{BatchRow, InputBatchBuffer};
use crate::sequence::Sequence;
use crate::sequences::Sequences;

/// One sequence in a batch of the model that drafts.
#[derive(Clone, Copy, Debug)]
struct DraftRow {
    id: SequenceId,
    slot: u32,
    /// Drafts that it is to have.
    num_wanted: u32,
    /// Tokens computed before, and in this batch.
    num_computed: u32,
    num_tokens: u32,
    /// Whether a draft is drawn: nothing is left to be computed.
    samples: bool,
}

/// A round of batches between two steps. Requests may be added and aborted while it goes on.
#[derive(Debug, Default)]
pub(super) struct DraftRound {
    /// The batch that was handed out, row by row; empty between rounds.
    rows: Vec<DraftRow>,
}

impl EngineCore {
    /// Writes the next batch for the model that drafts into `buffer`; false if there is none before the next step. `token_ids` is
    /// what it drew for the rows of the batch before that sample, in order of rows: none for the first batch of a round.
    /// A round is the batches from a step's `update` to the `schedule` of the next one; a step may be in flight in neither.
    ///
    /// Rows sample as their sequence does, by the columns alone: drafts are drawn with the very noise that the first model's
    /// draws at the same places will have, so that both draw the same where they agree.
    ///
    /// # Errors
    /// [`UpdateError::WrongNumTokens`] if the tokens are not those of the batch before; the round is over then.
    pub fn draft(&mut self, token_ids: &[i32], buffer: &mut InputBatchBuffer) -> Result<bool, UpdateError> {
        let Some(model) = self.config.draft_model else { return Ok(false) };
        let mut rows = std::mem::take(&mut self.draft_round.rows);
        if rows.is_empty() {
            self.begin_round(&model, &mut rows);
        } else if let Err(error) = self.take_drafts(&model, &mut rows, token_ids) {
            self.draft_round.rows = rows;
            self.end_drafts();
            return Err(error);
        }
        if rows.is_empty() {
            return Ok(false);
        }
        let sequences = &self.sequences;
        buffer.write(self.last_step_id, self.config.block_size, rows.iter().map(|row| batch_row(row, sequences)));
        self.draft_round.rows = rows;
        Ok(true)
    }

    /// Ends a round before its end: the model that drafts has failed. What it was computing counts as not computed.
    pub fn end_drafts(&mut self) {
        for row in std::mem::take(&mut self.draft_round.rows) {
            if let Some(sequence) = self.drafted_sequence(&row) {
                sequence.draft.start_over();
            }
        }
    }

    /// Every sequence that may have drafts, as far as a batch reaches.
    fn begin_round(&mut self, model: &DraftModel, rows: &mut Vec<DraftRow>) {
        let most = model.drafts_each(self.scheduler.running.len() as u32);
        let mut budget = self.config.max_num_batched_tokens;
        if most == 0 {
            return;
        }
        for &slot in &self.scheduler.running {
            let sequence = self.sequences.get_mut(slot);
            if budget == 0 {
                break;
            }
            if !sequence.request.speculates || !sequence.takes_drafts() {
                continue;
            }
            sequence.draft_token_ids.clear();
            let num_wanted =
                sequence.draft.pace.next(sequence.room_for_drafts(model, self.config.block_size).min(most));
            if num_wanted == 0 {
                continue;
            }
            self.drafted_blocks.skip_filled(sequence, self.config.block_size);
            let num_computed = sequence.draft.num_computed.min(sequence.num_tokens() - 1);
            let missing = &sequence.token_ids[num_computed as usize..];
            let num_tokens = (missing.len() as u32).min(budget);
            if !missing[..num_tokens as usize].iter().all(|token_id| model.knows(*token_id)) {
                continue;
            }
            budget -= num_tokens;
            sequence.draft.num_computed = num_computed + num_tokens;
            self.drafted_blocks.overwrite(sequence, num_computed, num_computed + num_tokens, self.config.block_size);
            let samples = num_tokens as usize == missing.len();
            rows.push(DraftRow { id: sequence.id, slot, num_wanted, num_computed, num_tokens, samples });
        }
    }

    /// Takes the drafts of one batch; what is left in `rows` is the next one.
    fn take_drafts(
        &mut self,
        model: &DraftModel,
        rows: &mut Vec<DraftRow>,
        token_ids: &[i32],
    ) -> Result<(), UpdateError> {
        let expected = rows.iter().filter(|row| row.samples).count();
        if token_ids.len() != expected {
            return Err(UpdateError::WrongNumTokens { given: token_ids.len(), expected });
        }
        let mut drawn = token_ids.iter().copied();
        rows.retain_mut(|row| {
            let draft = if row.samples { drawn.next() } else { None };
            let Some(slot) = self.sequences.slot_of(row.id).filter(|slot| *slot == row.slot) else { return false };
            let sequence = self.sequences.get_mut(slot);
            self.drafted_blocks.record(sequence, self.config.block_size);
            let Some(draft) = draft.filter(|token_id| model.knows(*token_id)) else { return false };
            sequence.draft_token_ids.push(draft);
            if sequence.draft_token_ids.len() as u32 >= row.num_wanted {
                return false;
            }
            row.num_computed += row.num_tokens;
            row.num_tokens = 1;
            sequence.draft.num_computed = row.num_computed + 1;
            self.drafted_blocks.overwrite(sequence, row.num_computed, row.num_computed + 1, self.config.block_size);
            true
        });
        Ok(())
    }

    fn drafted_sequence(&mut self, row: &DraftRow) -> Option<&mut Sequence> {
        let slot = self.sequences.slot_of(row.id).filter(|slot| *slot == row.slot)?;
        Some(self.sequences.get_mut(slot))
    }
}

/// The row of a sequence in a batch of the model that drafts: tokens that are known, or its last draft.
fn batch_row<'a>(row: &DraftRow, sequences: &'a Sequences) -> BatchRow<'a> {
    let sequence = sequences.get(row.slot);
    let start = row.num_computed as usize;
    let num_known = sequence.token_ids.len();
    let tokens = if start < num_known { &sequence.token_ids } else { &sequence.draft_token_ids };
    let first = if start < num_known { start } else { start - num_known };
    BatchRow {
        sequence_id: row.id,
        row: sequence.row,
        token_ids: &tokens[first..first + row.num_tokens as usize],
        num_unknown_tokens: 0,
        draft_token_ids: &[],
        num_computed: row.num_computed,
        block_table: sequence.table.blocks(),
        samples: row.samples,
        prompt_logits: (0, 0),
        host_sampling: false,
        sampling: sequence.sampling,
    }
}
