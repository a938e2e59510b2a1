"""Rows that read what others write in the same step are told apart."""

from quire_worker.batch import InputBatch, independent_ranges
from quire_worker.testing import Row, pack

SIZE = 4


def ranges(*rows: Row) -> list[tuple[int, int]]:
    batch = InputBatch(pack(1, rows, SIZE))
    return independent_ranges(
        slot_mapping=batch.slot_mapping,
        query_start_loc=batch.query_start_loc,
        num_computed=batch.num_computed,
        block_tables=batch.block_tables,
        block_size=SIZE,
    )


def test_rows_of_their_own() -> None:
    assert ranges(Row([1] * 6, 0, [1, 2]), Row([1], 9, [3, 4, 5]), Row([2] * 3, 0, [6])) == [(0, 3)]


def test_blocks_that_were_full_before() -> None:
    assert ranges(Row([1, 2], 8, [1, 2, 3]), Row([3], 8, [1, 2, 4])) == [(0, 2)]


def test_a_block_that_an_earlier_row_writes() -> None:
    first, other = Row([1] * 6, 0, [1, 2]), Row([2, 3], 4, [1, 3])
    assert ranges(first, other) == [(0, 1), (1, 2)]
    assert ranges(Row([7], 0, [9]), first, Row([7], 0, [8]), other, Row([5], 4, [1, 4])) == [(0, 3), (3, 5)]


def test_a_chain() -> None:
    rows = Row([1] * 4, 0, [1]), Row([2] * 4, 4, [1, 2]), Row([3] * 4, 8, [1, 2, 3])
    assert ranges(*rows) == [(0, 1), (1, 2), (2, 3)]


def test_what_is_not_written_is_read_by_all() -> None:
    assert ranges(Row([1] * 4, 0, [1], writes=False), Row([2], 4, [1, 2])) == [(0, 2)]
