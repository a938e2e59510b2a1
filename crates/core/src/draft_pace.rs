//! How many drafts of a sequence are worth a try, from how many were right before. It knows nothing of where drafts come from.

/// Drafts that a sequence begins with.
const FIRST_DRAFTS: u32 = 4;
/// Drafts that were all wrong, time and again, are given up for up to 2 to the power of this, less one, steps.
const MOST_MISSES: u32 = 5;

/// How good the drafts of one sequence have been.
#[derive(Debug, Default)]
pub(crate) struct DraftPace {
    /// Drafts that are worth a try; 0 = not known yet.
    num_worth: u32,
    /// Steps in a row whose drafts were all wrong.
    num_misses: u32,
    /// Steps without drafts that are to come.
    num_rests: u32,
}

impl DraftPace {
    /// Drafts for the next step, `most` at most; none while the sequence rests, which this call is a step of.
    pub(crate) fn next(&mut self, most: u32) -> u32 {
        if self.num_rests > 0 {
            self.num_rests -= 1;
            return 0;
        }
        if self.num_worth == 0 {
            self.num_worth = FIRST_DRAFTS;
        }
        self.num_worth.min(most)
    }

    /// Of `num_drafts` that were verified the first `num_accepted` were right; more than `most` are never asked for.
    pub(crate) fn verified(&mut self, num_drafts: u32, num_accepted: u32, most: u32) {
        if num_accepted == num_drafts {
            self.num_worth = (num_drafts.max(self.num_worth) * 2).min(most);
        } else {
            self.num_worth = num_accepted.max(1);
        }
        if num_accepted > 0 {
            self.num_misses = 0;
        } else {
            self.num_misses = (self.num_misses + 1).min(MOST_MISSES);
            self.num_rests = (1 << self.num_misses) - 1;
        }
    }
}

/// Drafts of each of `num_running` sequences in one step of `max_step_tokens` tokens, `most` at most.
pub(crate) fn drafts_each(max_step_tokens: u32, num_running: u32, most: u32) -> u32 {
    (max_step_tokens / num_running.max(1)).saturating_sub(1).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u32 = 6;

    #[test]
    fn good_drafts_become_more_and_bad_ones_rest() {
        let mut pace = DraftPace::default();
        assert_eq!(pace.next(3), 3);
        assert_eq!(pace.next(MOST), 4);
        pace.verified(4, 4, MOST);
        assert_eq!(pace.next(MOST), 6);
        pace.verified(6, 2, MOST);
        assert_eq!(pace.next(MOST), 2);
        pace.verified(2, 0, MOST);
        assert_eq!([pace.next(MOST), pace.next(MOST)], [0, 1]);
        pace.verified(1, 0, MOST);
        assert_eq!([0; 5].map(|_: i32| pace.next(MOST)), [0, 0, 0, 1, 1]);
        for _ in 0..20 {
            pace.verified(1, 0, MOST);
        }
        assert_eq!((0..40).position(|_| pace.next(MOST) > 0), Some(31));
        pace.verified(1, 1, MOST);
        pace.verified(2, 0, MOST);
        assert_eq!((0..40).position(|_| pace.next(MOST) > 0), Some(1));
    }

    #[test]
    fn many_sequences_get_few_drafts_each() {
        let each = [0, 1, 2, 3, 5, 8, 9, 100].map(|running| drafts_each(16, running, MOST));
        assert_eq!(each, [6, 6, 6, 4, 2, 1, 0, 0]);
    }
}
