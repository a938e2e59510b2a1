"""The interface that a plugin implements: one model on one device of one rank. It does not schedule and knows no request."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .batch import InputBatch
from .decoder_config import DecoderConfig
from .dtypes import DTypeName
from .framework import Rank
from .tensor import Device, Tensor

Progress = Callable[[float], None]
"""Gets fractions from 0 to 1."""


@dataclass(frozen=True)
class Target:
    """Where and how to run."""

    device: Device
    dtype: str
    """'auto' or a type name."""
    rank: Rank
    block_size: int
    threads: int | None
    """Compute threads on a CPU device; None = all cores that this process may use."""
    eager: bool = False
    """Run without compiling, for debugging."""


@dataclass(frozen=True)
class BatchLimits:
    """The largest batch that the engine will ever send."""

    max_num_seqs: int
    max_num_batched_tokens: int
    max_model_len: int
    max_logits_rows: int
    block_size: int


@dataclass(frozen=True)
class KvCacheLayer:
    """The KV cache of one layer on this rank. `shape` has -1 where the number of blocks goes."""

    dtype: DTypeName
    shape: tuple[int, ...]
    bytes_per_block: int
    """K and V together."""
    alignment: int = 0
    """Bytes to which an entry (what follows the first two dimensions) is rounded up; 0 = none."""


@dataclass(frozen=True)
class LoadedModel:
    """What the engine must know of a loaded model."""

    config: DecoderConfig
    dtype: DTypeName
    weights_bytes: int
    num_parameters: int


@dataclass(frozen=True)
class MemoryProfile:
    """Bytes beside the KV cache. Activations are the peak at the limits, not yet allocated when `profile` returns."""

    weights_bytes: int
    activation_bytes: int


@dataclass(frozen=True)
class SampledTokens:
    """Tokens that the runner drew itself: `counts[row]` of them for each row, laid end to end."""

    counts: npt.NDArray[np.int32]
    token_ids: npt.NDArray[np.int32]


class Runner(ABC):
    """Calls come one at a time, in the order of this interface."""

    @abstractmethod
    def load_model(self, path: Path, progress: Progress) -> LoadedModel:
        """Raises ModelInvalidError, ModelUnsupportedError, OutOfMemoryError."""

    @abstractmethod
    def kv_cache_spec(self) -> Sequence[KvCacheLayer]:
        """One entry per layer."""

    @abstractmethod
    def profile(self, limits: BatchLimits) -> MemoryProfile: ...

    @abstractmethod
    def bind_kv_cache(self, layers: Sequence[Tensor]) -> None:
        """One zeroed tensor per layer, in the shape that was asked; it may be strided."""

    @abstractmethod
    def warmup(self, progress: Progress) -> None:
        """Compiles every shape that requests can bring, so that none waits for a compiler."""

    @abstractmethod
    def execute(self, batch: InputBatch, logits: npt.NDArray[np.float32]) -> SampledTokens | None:
        """
        Runs one step. Writes `logits[: batch.num_logits]` (float32, `[rows, vocab_size]`, on rank 0), or gives the tokens.
        `batch.input_ids` may hold -1: the token that this row drew in the step before; only runners that sample get it.
        """

    def close(self) -> None:
        """Frees the model."""
        return None
