"""The shapes that are compiled: rows of one token side by side, prompts one by one, each over a power of four of pages."""

from dataclasses import dataclass

from quire_worker.runner import BatchLimits

_FEWEST_PAGES, _FEWEST_TOKENS = 8, 16


@dataclass(frozen=True)
class Shape:
    """Of one program."""

    rows: int
    tokens_per_row: int
    pages: int


class Buckets:
    def __init__(self, limits: BatchLimits) -> None:
        longest = -(-limits.max_model_len // limits.block_size)
        self._rows = powers(1, min(limits.max_num_seqs, limits.max_num_batched_tokens))
        self._pages = powers(_FEWEST_PAGES, longest)
        self._tokens = powers(_FEWEST_TOKENS, min(limits.max_num_batched_tokens, limits.max_model_len))
        self._block_size = limits.block_size

    def all(self) -> list[Shape]:
        """Every shape that a step within the limits can need."""
        decodes = [Shape(rows, 1, pages) for pages in self._pages for rows in self._rows]
        prefills = [Shape(1, tokens, pages) for pages in self._pages for tokens in self._tokens if self._can_be(tokens, pages)]
        return decodes + prefills

    def decode(self, rows: int, pages: int) -> Shape:
        return Shape(_least(self._rows, rows), 1, _least(self._pages, pages))

    def prefill(self, tokens: int, pages: int) -> Shape:
        return Shape(1, _least(self._tokens, tokens), _least(self._pages, pages))

    def _can_be(self, tokens: int, pages: int) -> bool:
        """The fewest new tokens that need this bucket have room in these pages."""
        smaller = [size for size in self._tokens if size < tokens]
        fewest = smaller[-1] + 1 if smaller else 1
        return fewest <= pages * self._block_size


def powers(first: int, last: int) -> list[int]:
    """`first` times 1, 4, 16, ... below `last`, then `last`."""
    sizes = []
    while first < last:
        sizes.append(first)
        first *= 4
    return [*sizes, last]


def _least(sizes: list[int], wanted: int) -> int:
    return next(size for size in sizes if size >= wanted)
