"""How the prompts of a step are cut and put together for graph calls, so that what a call needs beside the cache is bounded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..step import Step

MAX_TOKENS = 256
"""Of one call: products of more rows gain nothing on a CPU."""
MAX_ELEMENTS = 1 << 24
"""Of one call's scores, and of the keys that it gathers."""


@dataclass(frozen=True)
class PromptPiece:
    """Consecutive tokens of one row."""

    row: int
    first: int
    """Token of the step."""
    length: int
    context: int
    """Positions up to the last of these tokens, itself included."""


def prompt_groups(step: Step, num_heads: int, head_dim: int) -> Iterator[Sequence[PromptPiece]]:
    """
    The rows of several tokens. A long one is cut into pieces that follow each other, one in a group; short ones go together, shortest
    first, as long as padding at most doubles their tokens.
    """
    whole: list[PromptPiece] = []
    for row in np.flatnonzero(step.query_lens > 1):
        pieces = list(_cut(step, int(row), num_heads, head_dim))
        if len(pieces) == 1:
            whole += pieces
        else:
            yield from ([piece] for piece in pieces)
    group: list[PromptPiece] = []
    for piece in sorted(whole, key=lambda piece: (piece.length, piece.row)):
        if group and not _fit([*group, piece], num_heads, head_dim):
            yield group
            group = []
        group.append(piece)
    if group:
        yield group


def _cut(step: Step, row: int, num_heads: int, head_dim: int) -> Iterator[PromptPiece]:
    start, end = int(step.query_start_loc[row]), int(step.query_start_loc[row + 1])
    most = min(MAX_TOKENS, max(head_dim, MAX_ELEMENTS // (num_heads * int(step.seq_lens[row]))))
    for first in range(start, end, most):
        length = min(most, end - first)
        yield PromptPiece(row, first, length, int(step.positions[first + length - 1]) + 1)


def _fit(pieces: Sequence[PromptPiece], num_heads: int, head_dim: int) -> bool:
    longest, context = max(piece.length for piece in pieces), max(piece.context for piece in pieces)
    tokens, padded = sum(piece.length for piece in pieces), len(pieces) * longest
    return tokens <= MAX_TOKENS and padded <= 2 * tokens and len(pieces) * num_heads * context * max(longest, head_dim) <= MAX_ELEMENTS
