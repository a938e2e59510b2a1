//! `truncate_prompt_tokens`: which ids of a prompt are kept. Knows no tokenizer and no model.

use crate::error::TextError;

/// The end of the prompt at which ids are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TruncationSide {
    /// Drops the first ids: the last `n` are kept.
    Left,
    /// Drops the last ids: the first `n` are kept.
    Right,
}

/// Keeps at most `truncate_prompt_tokens` ids. `None` keeps all, -1 stands for `max_input_tokens`, 0 keeps none.
///
/// # Errors
/// `InvalidTruncation` below -1.
pub fn truncate(
    token_ids: &mut Vec<i32>,
    truncate_prompt_tokens: Option<i64>,
    side: TruncationSide,
    max_input_tokens: usize,
) -> Result<(), TextError> {
    let keep = match truncate_prompt_tokens {
        None => return Ok(()),
        Some(-1) => max_input_tokens,
        Some(given) => usize::try_from(given).map_err(|_| TextError::InvalidTruncation { given })?,
    };
    if keep < token_ids.len() {
        match side {
            TruncationSide::Right => token_ids.truncate(keep),
            TruncationSide::Left => drop(token_ids.drain(..token_ids.len() - keep)),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_named_end() {
        let rows: [(Option<i64>, TruncationSide, &[i32]); 7] = [
            (None, TruncationSide::Left, &[1, 2, 3, 4]),
            (Some(2), TruncationSide::Left, &[3, 4]),
            (Some(2), TruncationSide::Right, &[1, 2]),
            (Some(-1), TruncationSide::Right, &[1, 2, 3]),
            (Some(0), TruncationSide::Left, &[]),
            (Some(9), TruncationSide::Left, &[1, 2, 3, 4]),
            (Some(i64::MAX), TruncationSide::Right, &[1, 2, 3, 4]),
        ];
        for (given, side, expected) in rows {
            let mut token_ids = vec![1, 2, 3, 4];
            truncate(&mut token_ids, given, side, 3).expect("allowed");
            assert_eq!(token_ids, expected, "{given:?} {side:?}");
        }
        let error = truncate(&mut vec![1], Some(-2), TruncationSide::Left, 3);
        assert!(matches!(error, Err(TextError::InvalidTruncation { given: -2 })));
    }
}
