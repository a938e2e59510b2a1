//! Which ids a sequence has seen: in its prompt or not, and how often in its output. This is what penalties ask.

/// One id.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TokenCount {
    pub(crate) id: u32,
    pub(crate) is_in_prompt: bool,
    pub(crate) num_outputs: u32,
}

/// Ids in ascending order, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenCounts(Vec<TokenCount>);

impl TokenCounts {
    /// Ids outside `0..vocab_size` (placeholders of media) have no logit and are passed over.
    pub(crate) fn of_prompt(prompt_token_ids: &[i32], vocab_size: usize) -> Self {
        let known = prompt_token_ids.iter().filter(|&&id| id >= 0 && (id as usize) < vocab_size);
        let mut ids: Vec<u32> = known.map(|&id| id as u32).collect();
        ids.sort_unstable();
        ids.dedup();
        Self(ids.into_iter().map(|id| TokenCount { id, is_in_prompt: true, num_outputs: 0 }).collect())
    }

    pub(crate) fn add_output(&mut self, id: u32) {
        match self.0.binary_search_by_key(&id, |count| count.id) {
            Ok(at) => self.0[at].num_outputs += 1,
            Err(at) => self.0.insert(at, TokenCount { id, is_in_prompt: false, num_outputs: 1 }),
        }
    }

    /// Takes one occurrence back. An id that occurs no more stays with a count of 0, which no penalty touches.
    pub(crate) fn remove_output(&mut self, id: u32) {
        if let Ok(at) = self.0.binary_search_by_key(&id, |count| count.id) {
            self.0[at].num_outputs = self.0[at].num_outputs.saturating_sub(1);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &TokenCount> {
        self.0.iter().filter(|count| count.is_in_prompt || count.num_outputs > 0)
    }
}
