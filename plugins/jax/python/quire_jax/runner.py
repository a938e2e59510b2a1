"""The model runner: each step is cut into rows of one token and prompts, padded to shapes that are compiled at warm-up."""

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
import numpy.typing as npt
from quire_worker.batch import InputBatch, independent_ranges
from quire_worker.checkpoint import Checkpoint
from quire_worker.cores import limit_cores
from quire_worker.decoder_config import read_config
from quire_worker.decoder_weights import Shard
from quire_worker.dtypes import Array, DTypeName, item_size, resolve_dtype
from quire_worker.errors import InvalidArgumentError, WorkerError
from quire_worker.runner import BatchLimits, KvCacheLayer, LoadedModel, MemoryProfile, Progress, Runner, SampledTokens, Target
from quire_worker.tensor import Tensor

from .buckets import Buckets, Shape
from .decoder import Decoder
from .devices import jax_device, out_of_memory
from .memory import Stack, stack_zeroed
from .programs import HEAD_ROWS, Programs
from .weights import place_weights

Ints = npt.NDArray[np.int32]
_DTYPES: list[DTypeName] = ["float32", "bfloat16", "float16"]


class JaxRunner(Runner):
    def __init__(self, target: Target) -> None:
        self._target = target
        self._device = jax_device(target.device)
        if target.device.kind == "cpu" and target.threads is not None:
            limit_cores(target.threads, target.rank.rank)
        self._weights: dict[str, jax.Array] = {}
        self._caches: Stack | None = None

    def load_model(self, path: Path, progress: Progress) -> LoadedModel:
        config = read_config(path)
        self._dtype = resolve_dtype(self._target.dtype, config.dtype, _DTYPES)
        self._config, self._shard = config, Shard.of(config, self._target.rank)
        decoder = Decoder(config, self._shard, self._target.block_size)
        self._programs = Programs(decoder, self._shard, eager=self._target.eager)
        try:
            placed = place_weights(config, Checkpoint(path), self._shard, self._dtype, lambda data: jax.device_put(data, self._device), progress)
        except (RuntimeError, MemoryError) as error:
            raise out_of_memory(error, "The model") or error from error
        self._weights_bytes = sum(array.nbytes for array in placed.values())
        parameters = sum(array.size for name, array in placed.items() if name not in ("cosines", "sines"))
        self._weights = {name: self._programs.shared(array) for name, array in placed.items()}
        return LoadedModel(config, self._dtype, self._weights_bytes, parameters)

    def kv_cache_spec(self) -> Sequence[KvCacheLayer]:
        config, shard, size = self._config, self._shard, self._target.block_size
        shape = (2, -1, size, shard.num_kv_heads, config.head_dim)
        bytes_per_block = 2 * size * shard.num_kv_heads * config.head_dim * item_size(self._dtype)
        return [KvCacheLayer(self._dtype, shape, bytes_per_block) for _ in range(config.num_layers)]

    def profile(self, limits: BatchLimits) -> MemoryProfile:
        """What lives at once in the widest layer of the largest program, and its logits."""
        config, shard = self._config, self._shard
        self._limits, self._buckets = limits, Buckets(limits)
        most = 0
        for shape in self._buckets.all():
            tokens, length = shape.rows * shape.tokens_per_row, shape.pages * limits.block_size
            heads = (shard.num_heads + 2 * shard.num_kv_heads) * config.head_dim
            per_token = 4 * config.hidden_size + 2 * heads + 3 * shard.intermediate_size
            gathered = 2 * shape.rows * length * shard.num_kv_heads * config.head_dim
            scores = 2 * shard.num_heads * tokens * length
            most = max(most, (tokens * per_token + gathered) * item_size(self._dtype) + 4 * scores)
        return MemoryProfile(self._weights_bytes, most + 2 * limits.max_logits_rows * config.vocab_size * 4)

    def bind_kv_cache(self, layers: Sequence[Tensor]) -> None:
        if len(layers) != self._config.num_layers:
            raise InvalidArgumentError("layers", f"A KV cache of {len(layers)} layers was bound, expected {self._config.num_layers}", len(layers))
        if not all(layer.is_whole for layer in layers):
            raise InvalidArgumentError("layers", "A KV cache in JAX is whole: its arrays have no strides", None)
        self._caches = stack_zeroed([layer.storage for layer in layers])
        self._num_slots = layers[0].shape[1] * self._target.block_size

    def warmup(self, progress: Progress) -> None:
        """Runs every program once, with padding alone, which writes nothing."""
        if self._target.eager:
            progress(1.0)
            return
        shapes = self._buckets.all()
        for index, shape in enumerate(shapes):
            self._warm(shape)
            progress((index + 1) / len(shapes))

    def execute(self, batch: InputBatch, logits: npt.NDArray[np.float32]) -> SampledTokens | None:
        if not self._weights:
            raise WorkerError("A step came before the model")
        try:
            self._run(batch, logits)
        except (RuntimeError, MemoryError) as error:
            raise out_of_memory(error, f"A step of {batch.num_tokens} tokens") or error from error
        return None

    def close(self) -> None:
        self._weights, self._caches = {}, None

    def _run(self, batch: InputBatch, logits: npt.NDArray[np.float32]) -> None:
        starts, lengths, indices = batch.query_start_loc, batch.seq_lens, batch.logits_indices
        new, pages = np.diff(starts), -(-lengths // batch.block_size)
        row_of = np.searchsorted(starts, indices, "right") - 1
        ranges = independent_ranges(
            slot_mapping=batch.slot_mapping,
            query_start_loc=starts,
            num_computed=batch.num_computed,
            block_tables=batch.block_tables,
            block_size=batch.block_size,
        )
        for first, end in ranges:
            self._run_rows(batch, np.arange(first, end), new, pages, row_of, logits)

    def _run_rows(
        self, batch: InputBatch, rows: npt.NDArray[np.int64], new: Ints, pages: Ints, row_of: npt.NDArray[np.int64], logits: npt.NDArray[np.float32]
    ) -> None:
        """`new` tokens and `pages` are of all rows; `row_of` those that logits are of."""
        starts, indices = batch.query_start_loc, batch.logits_indices
        gives = self._target.rank.rank == 0
        single = rows[new[rows] == 1]
        if len(single) > 0:
            shape = self._buckets.decode(len(single), int(pages[single].max()))
            found = self._decode(self._padded(batch, single, shape))
            wanted = np.flatnonzero(np.isin(row_of, single))
            if gives and len(wanted) > 0:
                logits[wanted] = found[np.searchsorted(single, row_of[wanted])]
        for row in rows[new[rows] > 1]:
            shape = self._buckets.prefill(int(new[row]), int(pages[row]))
            hidden = self._prefill(self._padded(batch, np.array([row]), shape))
            wanted = np.flatnonzero(row_of == row)
            for first in range(0, len(wanted), HEAD_ROWS[-1]):
                part = wanted[first : first + HEAD_ROWS[-1]]
                size = next(size for size in HEAD_ROWS if size >= len(part))
                inside = np.zeros(size, np.int32)
                inside[: len(part)] = indices[part] - starts[row]
                found = self._programs.head(self._weights, hidden, inside)
                if gives:
                    logits[part] = found[: len(part)]

    def _padded(self, batch: InputBatch, rows: npt.NDArray[np.int64], shape: Shape) -> list[Array]:
        """Ids, positions, slots `[rows, tokens]` and tables `[rows, pages]`; padding is written nowhere."""
        size = (shape.rows, shape.tokens_per_row)
        ids, positions, slots = np.zeros(size, np.int32), np.zeros(size, np.int32), np.full(size, self._num_slots, np.int32)
        tables = np.zeros((shape.rows, shape.pages), np.int32)
        width = min(shape.pages, batch.block_table_stride)
        tables[: len(rows), :width] = batch.block_tables[rows, :width]
        starts = batch.query_start_loc
        for at, row in enumerate(rows):
            tokens = slice(starts[row], starts[row + 1])
            count = tokens.stop - tokens.start
            ids[at, :count], positions[at, :count] = batch.input_ids[tokens], batch.positions[tokens]
            given = batch.slot_mapping[tokens]
            slots[at, :count] = np.where(given < 0, self._num_slots, given)
        return [ids, positions, slots, tables]

    def _decode(self, step: Sequence[Array]) -> Array:
        caches = self._bound()
        logits, caches.array = self._programs.decode(self._weights, caches.array, step)
        return logits

    def _prefill(self, step: Sequence[Array]) -> jax.Array:
        caches = self._bound()
        hidden, caches.array = self._programs.prefill(self._weights, caches.array, step)
        return hidden

    def _warm(self, shape: Shape) -> None:
        size = (shape.rows, shape.tokens_per_row)
        nowhere = np.full(size, self._num_slots, np.int32)
        step = [np.zeros(size, np.int32), np.zeros(size, np.int32), nowhere, np.zeros((shape.rows, shape.pages), np.int32)]
        if shape.tokens_per_row == 1:
            self._decode(step)
            return
        hidden = self._prefill(step)
        for rows in HEAD_ROWS:
            self._programs.head(self._weights, hidden, np.zeros(rows, np.int32))

    def _bound(self) -> Stack:
        if self._caches is None:
            raise WorkerError("A step came before the KV cache")
        return self._caches
