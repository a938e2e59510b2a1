"""One step's rows and tokens as the runner reads them: the engine's batch, or one made up for warm-up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from quire_worker.batch import InputBatch, Ints, independent_ranges
from quire_worker.runner import BatchLimits


@dataclass(frozen=True)
class Step:
    """The fields of `InputBatch` that a forward needs."""

    input_ids: Ints
    positions: Ints
    slot_mapping: Ints
    query_start_loc: Ints
    seq_lens: Ints
    num_computed: Ints
    block_tables: Ints
    logits_indices: Ints

    @property
    def num_tokens(self) -> int:
        return len(self.input_ids)

    @property
    def query_lens(self) -> Ints:
        """`[num_rows]`, new tokens of each row."""
        return np.diff(self.query_start_loc)

    @staticmethod
    def of(batch: InputBatch) -> "Step":
        return Step(
            batch.input_ids,
            batch.positions,
            batch.slot_mapping,
            batch.query_start_loc,
            batch.seq_lens,
            batch.num_computed,
            batch.block_tables,
            batch.logits_indices,
        )

    def rows(self, first: int, end: int) -> "Step":
        """These rows alone; `logits_indices` are those of theirs."""
        tokens = slice(int(self.query_start_loc[first]), int(self.query_start_loc[end]))
        wanted = (self.logits_indices >= tokens.start) & (self.logits_indices < tokens.stop)
        return Step(
            input_ids=self.input_ids[tokens],
            positions=self.positions[tokens],
            slot_mapping=self.slot_mapping[tokens],
            query_start_loc=self.query_start_loc[first : end + 1] - tokens.start,
            seq_lens=self.seq_lens[first:end],
            num_computed=self.num_computed[first:end],
            block_tables=self.block_tables[first:end],
            logits_indices=self.logits_indices[wanted] - tokens.start,
        )

    def independent(self, block_size: int) -> Sequence["Step"]:
        """The step cut so that no row reads what another one writes in the same part; parts are run in order."""
        ranges = independent_ranges(
            slot_mapping=self.slot_mapping,
            query_start_loc=self.query_start_loc,
            num_computed=self.num_computed,
            block_tables=self.block_tables,
            block_size=block_size,
        )
        return [self] if len(ranges) == 1 else [self.rows(*each) for each in ranges]

    @staticmethod
    def dummy(query_lens: Sequence[int], num_computed: int, block_size: int) -> "Step":
        """Rows that look at the null block and write nothing; each wants the logits of its last token."""
        lengths = np.array(query_lens, np.int32)
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        seq_lens = lengths + num_computed
        return Step(
            input_ids=np.zeros(starts[-1], np.int32),
            positions=np.concatenate([num_computed + np.arange(length) for length in lengths]).astype(np.int32),
            slot_mapping=np.full(starts[-1], -1, np.int32),
            query_start_loc=starts,
            seq_lens=seq_lens,
            num_computed=np.full(len(lengths), num_computed, np.int32),
            block_tables=np.zeros((len(lengths), -(-int(seq_lens.max()) // block_size)), np.int32),
            logits_indices=starts[1:] - 1,
        )


def warmup_steps(limits: BatchLimits, row_buckets: Sequence[int]) -> Sequence[Step]:
    """Makes MindSpore compile the graphs of prompts and of decoding, then meets them with the largest sizes."""
    length, size = limits.max_model_len, limits.block_size
    tokens = min(limits.max_num_batched_tokens, length)
    rows = min(limits.max_num_seqs, limits.max_num_batched_tokens)
    prompts = [Step.dummy([count], 0, size) for count in sorted({min(2, tokens), tokens})]
    decodes = [Step.dummy([1] * min(count, rows), min(1, length - 1), size) for count in row_buckets or [1]]
    return [*prompts, *decodes, Step.dummy([1] * rows, length - 1, size)]
