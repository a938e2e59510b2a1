"""One step's work as flat arrays over the engine's buffer. Layout version 1; the engine's core holds the same with golden words."""

import numpy as np
import numpy.typing as npt

from .errors import WorkerError

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

MAGIC = 0x42495551
VERSION = 1
HEADER_WORDS = 40
_WORD = {
    name: index
    for index, name in enumerate(
        [
            "magic",
            "version",
            "total_words",
            "step_id",
            "num_tokens",
            "num_rows",
            "num_logits",
            "block_table_stride",
            "block_size",
            "flags",
            "input_ids",
            "positions",
            "slot_mapping",
            "query_start_loc",
            "seq_lens",
            "num_computed",
            "block_tables",
            "logits_indices",
            "logits_rows",
            "sequence_ids",
            "rows",
            "sample_index",
            "num_draft_tokens",
            "temperature",
            "top_p",
            "top_k",
            "min_p",
            "seeds",
        ]
    )
}
_HOST_SAMPLING, _SAMPLES = 1, 2


class InputBatch:
    """
    Rows are the scheduled sequences in order; tokens of a row are consecutive. All integers are int32; block 0 is the null block.
    Arrays are views over memory that the next step overwrites: copy what must last.
    """

    def __init__(self, words: Ints) -> None:
        if words.size < HEADER_WORDS or words[0] != MAGIC:
            raise WorkerError("An InputBatch does not begin with its magic word")
        if words[1] != VERSION:
            raise WorkerError(f"InputBatch layout {words[1]} is not version {VERSION}")
        total = int(words[2])
        if not HEADER_WORDS <= total <= words.size:
            raise WorkerError(f"An InputBatch of {total} words does not fit its buffer of {words.size}")
        self._words = words[:total]
        self.step_id = int(words[_WORD["step_id"]])
        self.num_tokens = int(words[_WORD["num_tokens"]])
        self.num_rows = int(words[_WORD["num_rows"]])
        self.num_logits = int(words[_WORD["num_logits"]])
        self.block_table_stride = int(words[_WORD["block_table_stride"]])
        self.block_size = int(words[_WORD["block_size"]])
        flags = int(words[_WORD["flags"]])
        self.host_sampling = bool(flags & _HOST_SAMPLING)
        """A sampling row needs the engine's own sampler."""
        self.samples = bool(flags & _SAMPLES)
        """At least one row samples in this step."""

    @property
    def input_ids(self) -> Ints:
        """`[num_tokens]`"""
        return self._section("input_ids", self.num_tokens)

    @property
    def positions(self) -> Ints:
        """`[num_tokens]`, position of each token in its sequence."""
        return self._section("positions", self.num_tokens)

    @property
    def slot_mapping(self) -> Ints:
        """`[num_tokens]`, KV slot to write (block * block_size + offset), -1 = none."""
        return self._section("slot_mapping", self.num_tokens)

    @property
    def query_start_loc(self) -> Ints:
        """`[num_rows + 1]`, first token of each row."""
        return self._section("query_start_loc", self.num_rows + 1)

    @property
    def seq_lens(self) -> Ints:
        """`[num_rows]`, tokens whose KV exists after this step."""
        return self._section("seq_lens", self.num_rows)

    @property
    def num_computed(self) -> Ints:
        """`[num_rows]`, tokens whose KV existed before this step."""
        return self._section("num_computed", self.num_rows)

    @property
    def block_tables(self) -> Ints:
        """`[num_rows, block_table_stride]`, padded with block 0."""
        flat = self._section("block_tables", self.num_rows * self.block_table_stride)
        return flat.reshape(self.num_rows, self.block_table_stride)

    @property
    def logits_indices(self) -> Ints:
        """`[num_logits]`, token whose logits are wanted."""
        return self._section("logits_indices", self.num_logits)

    @property
    def rows(self) -> Ints:
        """`[num_rows]`, an id in [0, max_num_seqs) that a sequence keeps while it runs."""
        return self._section("rows", self.num_rows)

    @property
    def sample_index(self) -> Ints:
        """`[num_rows]`, index into `logits_indices` of the position to sample from, -1 = the row does not sample."""
        return self._section("sample_index", self.num_rows)

    @property
    def temperature(self) -> Floats | None:
        """`[num_rows]`; None = all greedy."""
        return self._floats("temperature")

    @property
    def top_p(self) -> Floats | None:
        """`[num_rows]`; None = all 1."""
        return self._floats("top_p")

    @property
    def top_k(self) -> Ints | None:
        """`[num_rows]`, 0 = off; None = all off."""
        return self._optional("top_k", self.num_rows)

    @property
    def min_p(self) -> Floats | None:
        """`[num_rows]`; None = all 0."""
        return self._floats("min_p")

    @property
    def seeds(self) -> Ints | None:
        """`[num_rows, 2]`, low and high word of each seed; present with `temperature`."""
        words = self._optional("seeds", 2 * self.num_rows)
        return None if words is None else words.reshape(self.num_rows, 2)

    def _optional(self, name: str, length: int) -> Ints | None:
        start = int(self._words[_WORD[name]])
        if start == 0:
            return None
        if start < HEADER_WORDS or length < 0 or start + length > self._words.size:
            raise WorkerError(f"The section {name} of an InputBatch lies outside of it")
        return self._words[start : start + length]

    def _section(self, name: str, length: int) -> Ints:
        view = self._optional(name, length)
        if view is None:
            if length == 0:
                return np.zeros(0, np.int32)
            raise WorkerError(f"An InputBatch lacks its section {name}")
        return view

    def _floats(self, name: str) -> Floats | None:
        words = self._optional(name, self.num_rows)
        return None if words is None else words.view(np.float32)


def independent_ranges(*, slot_mapping: Ints, query_start_loc: Ints, num_computed: Ints, block_tables: Ints, block_size: int) -> list[tuple[int, int]]:
    """
    Rows `[first, end)`, in order, among which none reads a block that another one writes in this step, as sequences with the same
    beginning do. Who computes rows apart from each other must finish one range before the next; mostly there is one.
    """
    num_rows = len(num_computed)
    written = slot_mapping >= 0
    owners = np.repeat(np.arange(num_rows), np.diff(query_start_loc))[written]
    blocks = slot_mapping[written] // block_size
    # Blocks that are full before the step's own tokens: none of them is the row's own to write.
    is_read = np.arange(block_tables.shape[1]) < (num_computed // block_size)[:, None]
    is_read &= np.isin(block_tables, blocks)
    ranges, first = [], 0
    for row in np.flatnonzero(is_read.any(1)):
        if (owners[np.isin(blocks, block_tables[row, is_read[row]])] >= first).any():
            ranges.append((first, int(row)))
            first = int(row)
    return [*ranges, (first, num_rows)]
