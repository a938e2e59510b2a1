"""The model runner: a decoder over pages, one step at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from quire_worker.batch import InputBatch
from quire_worker.checkpoint import Checkpoint
from quire_worker.decoder_config import DecoderConfig, read_config
from quire_worker.decoder_weights import Shard, Weight, load_weights
from quire_worker.dtypes import DTypeName, item_size, resolve_dtype
from quire_worker.errors import InvalidArgumentError, OutOfMemoryError, WorkerError
from quire_worker.runner import BatchLimits, KvCacheLayer, LoadedModel, MemoryProfile, Progress, Runner, SampledTokens, Target
from quire_worker.tensor import Tensor

from .attention.attention import Attention
from .attention.plain import PlainAttention
from .decoder import Cache, Decoder, Weights
from .element_types import TORCH
from .framework import torch_device, window


class TorchRunner(Runner):
    def __init__(self, target: Target) -> None:
        self._target = target
        self._device = torch_device(target.device)
        self._decoder: Decoder | None = None
        self._caches: list[Cache] = []

    def load_model(self, path: Path, progress: Progress) -> LoadedModel:
        config = read_config(path)
        supported: list[DTypeName] = ["float32", "bfloat16", "float16"]
        self._dtype = resolve_dtype(self._target.dtype, config.dtype, supported)
        self._config, self._shard = config, Shard.of(config, self._target.rank)
        stored = _told(load_weights(config, Checkpoint(path), self._shard), config, progress)
        dtype = TORCH[self._dtype]
        try:
            weights = Weights(stored, dtype, self._device)
            self._weights_bytes, parameters = weights.num_bytes, weights.num_parameters
            self._decoder = Decoder(config, self._shard, weights, config.max_positions, dtype, self._device)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise OutOfMemoryError(f"The weights do not fit into memory: {error}") from error
        self._attention: Attention = PlainAttention(self._device, self._target.block_size)
        progress(1.0)
        return LoadedModel(config, self._dtype, self._weights_bytes, parameters)

    def kv_cache_spec(self) -> Sequence[KvCacheLayer]:
        config, shard, size = self._config, self._shard, self._target.block_size
        shape = (2, -1, size, shard.num_kv_heads, config.head_dim)
        bytes_per_block = 2 * size * shard.num_kv_heads * config.head_dim * item_size(self._dtype)
        return [KvCacheLayer(self._dtype, shape, bytes_per_block) for _ in range(config.num_layers)]

    def profile(self, limits: BatchLimits) -> MemoryProfile:
        """What lives at once in the widest layer of the largest step, and the logits of as many rows as may be asked for."""
        config, shard = self._config, self._shard
        tokens, rows, length = limits.max_num_batched_tokens, limits.max_num_seqs, limits.max_model_len
        heads = (shard.num_heads + 2 * shard.num_kv_heads) * config.head_dim
        per_token = 4 * config.hidden_size + 2 * heads + 3 * shard.intermediate_size
        gathered = 2 * max(shard.num_heads, min(rows, tokens) * shard.num_kv_heads) * min(length, 4096) * config.head_dim
        masks = min(tokens, length) * length
        logits = limits.max_logits_rows * config.vocab_size * 4
        return MemoryProfile(self._weights_bytes, (tokens * per_token + gathered) * item_size(self._dtype) + masks + 2 * logits)

    def bind_kv_cache(self, layers: Sequence[Tensor]) -> None:
        if len(layers) != self._config.num_layers:
            raise InvalidArgumentError("layers", f"A KV cache of {len(layers)} layers was bound, expected {self._config.num_layers}", len(layers))
        views = [window(layer) for layer in layers]
        self._caches = [(view[0], view[1]) for view in views]

    def warmup(self, progress: Progress) -> None:
        """Nothing is compiled."""
        progress(1.0)

    @torch.inference_mode()
    def execute(self, batch: InputBatch, logits: npt.NDArray[np.float32]) -> SampledTokens | None:
        if self._decoder is None or len(self._caches) != self._config.num_layers:
            raise WorkerError("A step came before the model and its KV cache")
        try:
            ids, positions = self._move(batch.input_ids), self._move(batch.positions)
            x = self._decoder.hidden(ids, positions, self._attention, self._attention.plan(batch), self._caches)
            count = batch.num_logits
            if count > 0:
                wanted = x[self._move(batch.logits_indices)]
                self._decoder.logits(wanted, torch.from_numpy(logits[:count]) if len(logits) >= count else wanted)
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise OutOfMemoryError(f"A step of {batch.num_tokens} tokens does not fit into memory: {error}") from error
        return None

    def close(self) -> None:
        self._decoder, self._caches = None, []

    def _move(self, indices: npt.NDArray[np.int32]) -> torch.Tensor:
        return torch.from_numpy(indices.astype(np.int64)).to(self._device, non_blocking=True)


def _told(weights: Iterator[Weight], config: DecoderConfig, progress: Progress) -> Iterator[Weight]:
    """The same weights, with progress."""
    about = config.num_layers * (9 if config.gated else 14) + 3
    for index, weight in enumerate(weights):
        progress(min(0.99, index / about))
        yield weight
