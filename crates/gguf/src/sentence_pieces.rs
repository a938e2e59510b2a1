//! Merges of a SentencePiece vocabulary: its files have a score for each piece instead. Two pieces whose text is a piece are
//! merged, those of the best score first and of one score the longest first piece, as transformers' converter has it.

use std::collections::HashMap;

use crate::vocabulary::{TokenKind, Vocabulary};

/// Longest piece that is made of others: trainers stop long before.
const MAX_PIECE_CHARS: usize = 128;

/// All pairs, the first to be merged first.
pub(crate) fn merges<'a>(vocabulary: &Vocabulary<'a>, scores: &[f64]) -> Vec<[&'a str; 2]> {
    let is_text = |id: &usize| matches!(vocabulary.kind(*id), TokenKind::Normal | TokenKind::UserDefined);
    let ids: HashMap<&str, usize> =
        (0..vocabulary.tokens.len()).rev().filter(is_text).map(|id| (vocabulary.tokens[id].as_str(), id)).collect();
    let mut found = Vec::new();
    for id in (0..vocabulary.tokens.len()).filter(is_text) {
        let piece = vocabulary.tokens[id].as_str();
        // The second of two equal pieces is never found.
        if ids.get(piece) != Some(&id) || piece.chars().count() > MAX_PIECE_CHARS {
            continue;
        }
        let mut pairs: Vec<(usize, usize, [&str; 2])> = piece
            .char_indices()
            .skip(1)
            .filter_map(|(at, _)| {
                let (left, right) = piece.split_at(at);
                Some((*ids.get(left)?, *ids.get(right)?, [left, right]))
            })
            .collect();
        pairs.sort_unstable_by_key(|&(left, right, _)| (left, right));
        found.extend(pairs.into_iter().map(|(_, _, pair)| (scores[id], pair)));
    }
    let lengths = |pair: &[&str; 2]| pair.map(|piece| piece.chars().count());
    found.sort_by(|(one_score, one), (other_score, other)| {
        other_score.total_cmp(one_score).then_with(|| lengths(other).cmp(&lengths(one)))
    });
    found.into_iter().map(|(_, pair)| pair).collect()
}
