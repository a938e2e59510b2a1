"""The model runner: loads a checkpoint, says what KV cache it wants, runs steps. It schedules nothing and knows no request."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from quire_worker.batch import InputBatch
from quire_worker.checkpoint import Checkpoint
from quire_worker.decoder_config import DecoderConfig, read_config
from quire_worker.decoder_weights import Shard, load_weights
from quire_worker.dtypes import Array, item_size, resolve_dtype, to_float32
from quire_worker.framework import Framework
from quire_worker.runner import BatchLimits, KvCacheLayer, LoadedModel, MemoryProfile, Progress, Runner, SampledTokens, Target
from quire_worker.tensor import Tensor

from .attention import MAX_QUERIES
from .decoder import Decoder
from .framework import elements

FLOAT_BYTES = item_size("float32")


class NumpyRunner(Runner):
    def __init__(self, framework: Framework, target: Target) -> None:
        self._framework, self._target = framework, target

    def load_model(self, path: Path, progress: Progress) -> LoadedModel:
        config = read_config(path)
        dtype = resolve_dtype(self._target.dtype, config.dtype, self._framework.dtypes(self._target.device))
        checkpoint = Checkpoint(path)
        weights: dict[str, Array] = {}
        for weight in load_weights(config, checkpoint, Shard.of(config, self._target.rank)):
            weights[weight.name] = np.asarray(to_float32(weight.data, weight.dtype))
            progress(min(1.0, len(weights) / len(checkpoint.names())))
        self._config, self._decoder = config, Decoder(config, weights)
        self._weights_bytes = sum(weight.nbytes for weight in weights.values())
        num_parameters = sum(weight.size for weight in weights.values())
        return LoadedModel(config, dtype, self._weights_bytes, num_parameters)

    def kv_cache_spec(self) -> Sequence[KvCacheLayer]:
        config, block_size = self._config, self._target.block_size
        shape = (2, -1, block_size, config.num_kv_heads, config.head_dim)
        bytes_per_block = 2 * block_size * config.num_kv_heads * config.head_dim * FLOAT_BYTES
        return [KvCacheLayer("float32", shape, bytes_per_block)] * config.num_layers

    def profile(self, limits: BatchLimits) -> MemoryProfile:
        self._decoder.prepare(limits.max_model_len)
        return MemoryProfile(self._weights_bytes, _activation_floats(self._config, limits) * FLOAT_BYTES)

    def bind_kv_cache(self, layers: Sequence[Tensor]) -> None:
        self._caches = [elements(layer) for layer in layers]

    def warmup(self, progress: Progress) -> None:
        """Nothing is compiled."""
        progress(1.0)

    def execute(self, batch: InputBatch, logits: npt.NDArray[np.float32]) -> SampledTokens | None:
        logits[: batch.num_logits] = self._decoder.logits(batch, self._caches)
        return None


def _activation_floats(config: DecoderConfig, limits: BatchLimits) -> int:
    """The most that is alive at once: hidden states, the widest of attention and MLP, and logits."""
    tokens, length = limits.max_num_batched_tokens, limits.max_model_len
    per_token = 4 * config.hidden_size + 3 * config.intermediate_size + 4 * config.num_heads * config.head_dim
    scores = 3 * min(MAX_QUERIES, tokens) * length * config.num_heads
    gathered = 2 * length * config.num_kv_heads * config.head_dim
    return tokens * per_token + scores + gathered + limits.max_logits_rows * config.vocab_size
