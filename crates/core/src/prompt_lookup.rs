//! Drafts without a model: what came after a sequence's last tokens when they stood there before, in the prompt or in what it
//! has generated. Whether drafts are right is for the sampler to say; here is only how many are worth a try.

use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;

use rustc_hash::{FxHashMap, FxHasher};

use crate::draft_pace::{DraftPace, drafts_each};
use crate::errors::ConfigError;

/// How drafts are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptLookup {
    /// Drafts of one sequence in a step, at most.
    pub max_draft_tokens: u32,
    /// Tokens that must have stood there before, at least.
    pub min_match: u32,
    /// So many are looked for first.
    pub max_match: u32,
    /// Tokens of a step, one of each running sequence and the drafts, that it may grow to by drafts.
    pub max_step_tokens: u32,
}

impl PromptLookup {
    /// Drafts of a sequence, tokens of a match, and tokens of a step, at most.
    const MOST: [u32; 3] = [256, 64, 1 << 16];

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let [most_drafts, most_match, most_tokens] = Self::MOST;
        let in_range = |field, given: u32, range: RangeInclusive<u32>| {
            if range.contains(&given) {
                return Ok(());
            }
            let (least, most) = (u64::from(*range.start()), u64::from(*range.end()));
            Err(ConfigError::OutOfRange { field, given: u64::from(given), least, most })
        };
        in_range("max_draft_tokens", self.max_draft_tokens, 1..=most_drafts)?;
        in_range("max_match", self.max_match, 1..=most_match)?;
        in_range("min_match", self.min_match, 1..=self.max_match)?;
        in_range("max_step_tokens", self.max_step_tokens, 1..=most_tokens)
    }

    /// Drafts of each of `num_running` sequences in one step.
    pub(crate) fn drafts_each(&self, num_running: u32) -> u32 {
        drafts_each(self.max_step_tokens, num_running, self.max_draft_tokens)
    }
}

/// What one sequence has said, by its n-grams, and how good its drafts have been.
#[derive(Debug, Default)]
pub(crate) struct SpokenBefore {
    /// Where the tokens behind an n-gram begin, the last time it was said, by its hash: long ones, short ones.
    places: [FxHashMap<u64, u32>; 2],
    /// Tokens whose n-grams are in `places`.
    num_indexed: usize,
    pace: DraftPace,
}

impl SpokenBefore {
    /// Appends to `drafts` up to `most` guesses for what follows `tokens`, to which tokens were only appended since the last call.
    pub(crate) fn propose(&mut self, tokens: &[i32], how: &PromptLookup, most: u32, drafts: &mut Vec<i32>) {
        self.index(tokens, how);
        let count = self.pace.next(most.min(how.max_draft_tokens)) as usize;
        if count == 0 {
            return;
        }
        let Some(place) = self.find(tokens, how) else { return };
        let start = drafts.len();
        for offset in 0..count {
            // Behind the end of what was said it goes on as it began: a loop.
            let draft = tokens.get(place + offset).copied();
            drafts.push(draft.unwrap_or_else(|| drafts[start + place + offset - tokens.len()]));
        }
    }

    /// Of `num_drafts` that were verified the first `num_accepted` were right.
    pub(crate) fn verified(&mut self, num_drafts: u32, num_accepted: u32, how: &PromptLookup) {
        self.pace.verified(num_drafts, num_accepted, how.max_draft_tokens);
    }

    /// Every n-gram that something follows.
    fn index(&mut self, tokens: &[i32], how: &PromptLookup) {
        for end in self.num_indexed..tokens.len() {
            for (places, length) in self.places.iter_mut().zip(lengths(how)) {
                if end >= length {
                    places.insert(hash_of(&tokens[end - length..end]), end as u32);
                }
            }
        }
        self.num_indexed = tokens.len();
    }

    /// Where the tokens begin that came after the last ones before.
    fn find(&self, tokens: &[i32], how: &PromptLookup) -> Option<usize> {
        self.places.iter().zip(lengths(how)).find_map(|(places, length)| {
            let last = &tokens[tokens.len().checked_sub(length)?..];
            let place = *places.get(&hash_of(last))? as usize;
            (&tokens[place - length..place] == last).then_some(place)
        })
    }
}

/// Lengths of n-grams, the longest first.
fn lengths(how: &PromptLookup) -> impl Iterator<Item = usize> {
    let short = (how.min_match < how.max_match).then_some(how.min_match as usize);
    std::iter::once(how.max_match as usize).chain(short)
}

fn hash_of(tokens: &[i32]) -> u64 {
    let mut hasher = FxHasher::default();
    tokens.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOW: PromptLookup = PromptLookup { max_draft_tokens: 6, min_match: 2, max_match: 3, max_step_tokens: 16 };

    fn proposed(spoken: &mut SpokenBefore, tokens: &[i32], most: u32) -> Vec<i32> {
        let mut drafts = Vec::new();
        spoken.propose(tokens, &HOW, most, &mut drafts);
        drafts
    }

    #[test]
    fn what_came_after_the_longest_match_the_last_time() {
        // (tokens, drafts)
        let rows: [(&[i32], &[i32]); 7] = [
            (&[], &[]),
            (&[1, 2], &[]),
            (&[1, 2, 3, 4, 5], &[]),
            (&[1, 2, 3, 4, 5, 6, 7, 1, 2], &[3, 4, 5, 6]),
            (&[1, 2, 3, 1, 2, 4, 9, 9, 1, 2], &[4, 9, 9, 1]),
            // Three beat two, however long ago.
            (&[7, 1, 2, 3, 8, 1, 2, 4, 7, 1, 2], &[3, 8, 1, 2]),
            // A loop of two goes on.
            (&[5, 6, 5, 6], &[5, 6, 5, 6]),
        ];
        for (tokens, expected) in rows {
            assert_eq!(proposed(&mut SpokenBefore::default(), tokens, 9), expected, "{tokens:?}");
        }
        assert_eq!(proposed(&mut SpokenBefore::default(), &[5, 6, 5, 6], 3), [5, 6, 5]);
        assert_eq!(proposed(&mut SpokenBefore::default(), &[5, 6, 5, 6], 0), [0; 0]);
    }

    #[test]
    fn as_tokens_are_appended() {
        let tokens: Vec<i32> = (0..200).map(|index| index * index % 7).collect();
        let mut spoken = SpokenBefore::default();
        for end in 1..=tokens.len() {
            let fresh = proposed(&mut SpokenBefore::default(), &tokens[..end], 4);
            assert_eq!(proposed(&mut spoken, &tokens[..end], 4), fresh, "{end}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert_eq!(HOW.validate(), Ok(()));
        for (wrong, field) in [
            (PromptLookup { max_draft_tokens: 0, ..HOW }, "max_draft_tokens"),
            (PromptLookup { max_draft_tokens: 257, ..HOW }, "max_draft_tokens"),
            (PromptLookup { max_match: 65, ..HOW }, "max_match"),
            (PromptLookup { min_match: 0, ..HOW }, "min_match"),
            (PromptLookup { min_match: 4, ..HOW }, "min_match"),
            (PromptLookup { max_step_tokens: 0, ..HOW }, "max_step_tokens"),
        ] {
            let error = wrong.validate();
            assert!(matches!(error, Err(ConfigError::OutOfRange { field: named, .. }) if named == field), "{error:?}");
        }
    }
}
