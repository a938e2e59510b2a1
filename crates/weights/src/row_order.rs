//! Rows of a matrix from the order in which a file has them to that of the checkpoint. Rows are whole blocks, so that they can
//! be moved in whatever format they are.

use quire_gguf::RowOrder;

/// The bytes of `num_rows` rows in the checkpoint's order; `None` where they are in it already.
pub(crate) fn in_order(rows: RowOrder, num_rows: usize, bytes: &[u8]) -> Option<Vec<u8>> {
    let (num_heads, num_parts) = match rows {
        RowOrder::Same => return None,
        RowOrder::HalvesAlternate { num_heads } => (num_heads, 2),
        RowOrder::PartsInTurn { num_heads } => (num_heads, 3),
    };
    // Of any other number of rows the loader will say that the shape is wrong.
    let of_part =
        num_rows.checked_div(num_parts * num_heads).filter(|rows| rows * num_parts * num_heads == num_rows)?;
    let row_bytes = bytes.len().checked_div(num_rows)?;
    let mut ordered = Vec::with_capacity(bytes.len());
    for head in 0..num_heads {
        for part in 0..num_parts {
            for row in 0..of_part {
                let from = match rows {
                    RowOrder::PartsInTurn { .. } => (part * num_heads + head) * of_part + row,
                    _ => (head * of_part + row) * num_parts + part,
                };
                ordered.extend_from_slice(&bytes[from * row_bytes..][..row_bytes]);
            }
        }
    }
    Some(ordered)
}

#[cfg(test)]
mod tests {
    use quire_gguf::RowOrder;

    use super::in_order;

    #[test]
    fn halves_that_alternate_are_put_after_each_other() {
        let rows = RowOrder::HalvesAlternate { num_heads: 2 };
        assert_eq!(in_order(rows, 8, &[0, 1, 2, 3, 4, 5, 6, 7]), Some(vec![0, 2, 1, 3, 4, 6, 5, 7]));
        assert_eq!(
            in_order(rows, 8, &[0, 9, 1, 9, 2, 9, 3, 9, 4, 9, 5, 9, 6, 9, 7, 9]).expect("an order")[2..4],
            [2, 9]
        );
    }

    #[test]
    fn queries_keys_and_values_are_put_together_head_by_head() {
        let rows = RowOrder::PartsInTurn { num_heads: 2 };
        let file: Vec<u8> = (0..12).collect();
        assert_eq!(in_order(rows, 12, &file), Some(vec![0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11]));
    }

    #[test]
    fn rows_that_belong_to_no_heads_stay() {
        assert_eq!(in_order(RowOrder::Same, 2, &[1, 2]), None);
        for num_heads in [0, 3, usize::MAX / 4] {
            assert_eq!(in_order(RowOrder::HalvesAlternate { num_heads }, 8, &[0; 8]), None);
            assert_eq!(in_order(RowOrder::PartsInTurn { num_heads }, 8, &[0; 8]), None);
        }
        assert_eq!(in_order(RowOrder::HalvesAlternate { num_heads: 1 }, 0, &[]), None);
    }
}
