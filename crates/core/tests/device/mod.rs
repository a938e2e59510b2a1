//! A device that computes nothing but honesty: its KV cache remembers which token was written where, and a row's next
//! token is a hash of what the row can see through its block table. A wrong, stale or foreign block changes tokens.

use quire_core::{InputBatchView, layout};
use std::collections::HashMap;

/// Tokens of the toy model: few, so that sequences meet.
pub(crate) const VOCABULARY: u64 = 97;

/// What a step brings back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sampled {
    pub(crate) step_id: u32,
    pub(crate) counts: Vec<i32>,
    pub(crate) token_ids: Vec<i32>,
    pub(crate) num_forced: Vec<i32>,
}

pub(crate) struct Device {
    /// The token at every slot.
    slots: Vec<i32>,
    /// The token each stable row sampled last.
    last_sampled: HashMap<i32, i32>,
    window: Option<u32>,
    /// Tokens to draw next instead of the model's, by sequence id.
    pub(crate) scripted: HashMap<i32, Vec<i32>>,
    /// Tokens forced behind the next draw, by sequence id.
    pub(crate) forced: HashMap<i32, Vec<i32>>,
    /// Positions whose prompt logits were asked for, by sequence id.
    pub(crate) prompt_logits: HashMap<i32, Vec<i32>>,
}

/// The token that follows `history`, of which the model sees the last `window` tokens.
pub(crate) fn next_token(history: &[i32], window: Option<u32>) -> i32 {
    let start = window.map_or(0, |window| history.len().saturating_sub(window as usize));
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ history.len() as u64;
    for token in &history[start..] {
        hash = (hash ^ *token as u64).wrapping_mul(0x0100_0000_01b3);
        hash ^= hash >> 29;
    }
    (hash % VOCABULARY) as i32
}

impl Device {
    pub(crate) fn new(num_blocks: u32, block_size: u32, window: Option<u32>) -> Self {
        Self {
            slots: vec![-7; (num_blocks * block_size) as usize],
            last_sampled: HashMap::new(),
            window,
            scripted: HashMap::new(),
            forced: HashMap::new(),
            prompt_logits: HashMap::new(),
        }
    }

    pub(crate) fn execute(&mut self, batch: &InputBatchView<'_>) -> Sampled {
        let mut input_ids = batch.input_ids().to_vec();
        // All keys and values are written before any are read.
        for row in 0..batch.num_rows() {
            let (first, last) = batch.token_range(row);
            for (token, input_id) in (first..last).zip(&mut input_ids[first..last]) {
                if *input_id == layout::TOKEN_OF_PREVIOUS_STEP {
                    // Nothing was sampled if the step before failed; whoever reads this must be thrown away.
                    *input_id = self.last_sampled.get(&batch.rows()[row]).copied().unwrap_or(-9);
                }
                self.slots[batch.slot_mapping()[token] as usize] = *input_id;
            }
        }
        let mut sampled = Sampled { step_id: batch.step_id(), ..Sampled::default() };
        let logits = batch.logits_indices().iter().zip(batch.logits_rows()).enumerate();
        for (index, (&token, &row)) in logits {
            let first_sample = batch.sample_index()[row as usize];
            if first_sample == layout::NO_SAMPLE || (index as i32) < first_sample {
                let positions = self.prompt_logits.entry(batch.sequence_ids()[row as usize]).or_default();
                positions.push(batch.positions()[token as usize]);
            }
        }
        for row in 0..batch.num_rows() {
            let first_sample = batch.sample_index()[row];
            if first_sample == layout::NO_SAMPLE {
                sampled.counts.push(0);
                sampled.num_forced.push(0);
                continue;
            }
            let num_drafts = batch.num_draft_tokens().map_or(0, |drafts| drafts[row]);
            let mut count = 0;
            for index in first_sample..=first_sample + num_drafts {
                let token = batch.logits_indices()[index as usize] as usize;
                let drawn = self.draw(batch, row, batch.positions()[token]);
                sampled.token_ids.push(drawn);
                self.last_sampled.insert(batch.rows()[row], drawn);
                count += 1;
                // A draft that is not what was drawn, and everything behind it, is rejected.
                if index < first_sample + num_drafts && input_ids[token + 1] != drawn {
                    break;
                }
            }
            let forced = self.forced.remove(&batch.sequence_ids()[row]).unwrap_or_default();
            sampled.num_forced.push(forced.len() as i32);
            sampled.counts.push(count + forced.len() as i32);
            sampled.token_ids.extend(forced);
        }
        sampled
    }

    fn draw(&mut self, batch: &InputBatchView<'_>, row: usize, position: i32) -> i32 {
        if let Some(script) = self.scripted.get_mut(&batch.sequence_ids()[row])
            && !script.is_empty()
        {
            return script.remove(0);
        }
        let block_size = batch.block_size();
        let table = batch.block_table(row);
        let visible = self.window.map_or(0, |window| (position + 1).saturating_sub(window as i32).max(0)) as usize;
        let history: Vec<i32> = (0..=position as usize)
            .map(|at| {
                if at < visible {
                    return 0;
                }
                assert_ne!(table[at / block_size], 0, "a visible position lies in the null block");
                self.slots[table[at / block_size] as usize * block_size + at % block_size]
            })
            .collect();
        next_token(&history, self.window)
    }
}
