"""One model on one rank: loads it, compiles a graph per phase, and runs steps as a few graph calls."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import numpy.typing as npt
from quire_worker.batch import InputBatch
from quire_worker.checkpoint import Checkpoint
from quire_worker.cores import limit_cores
from quire_worker.decoder_config import DecoderConfig, read_config
from quire_worker.decoder_weights import Shard, load_weights
from quire_worker.dtypes import item_size, resolve_dtype
from quire_worker.errors import WorkerError
from quire_worker.framework import Framework, Rank
from quire_worker.runner import BatchLimits, KvCacheLayer, LoadedModel, MemoryProfile, Progress, Runner, Target
from quire_worker.tensor import Tensor

from .attention.interface import AttentionConfig, GraphCall, PagedAttention, Phase
from .decoder import Decoder, DecoderParts
from .step import Step, warmup_steps
from .weights import Parameters, add_rotations, load_parameters


class MindSporeRunner(Runner):
    """Sampling is the engine's."""

    def __init__(self, framework: Framework, target: Target, make_attention: Callable[[AttentionConfig], PagedAttention]) -> None:
        self._framework, self._target, self._make_attention = framework, target, make_attention
        self._on_cpu = target.device.kind == "cpu"
        self._graphs: dict[tuple[Phase, int | None], Callable[..., Any]] = {}
        self._loaded: LoadedModel | None = None
        self._parameters: Parameters = {}
        self._attention: PagedAttention | None = None
        self._limits: BatchLimits | None = None
        if self._on_cpu and target.threads is not None:
            # dispatch_threads_num would be its own way, with which decoding takes up to thirty times as long.
            limit_cores(target.threads, target.rank.rank)

    def load_model(self, path: Path, progress: Progress) -> LoadedModel:
        config = read_config(path)
        # On a CPU 'auto' is float32: halves are slower there, and bfloat16 has no products.
        asked = "float32" if self._target.dtype == "auto" and self._on_cpu else self._target.dtype
        dtype = resolve_dtype(asked, config.dtype, self._framework.dtypes(self._target.device))
        checkpoint = Checkpoint(path)
        shard = Shard.of(config, self._target.rank)
        expected = max(1, len(checkpoint.names()))
        self._parameters = load_parameters(
            load_weights(config, checkpoint, shard),
            config,
            dtype,
            transposed=not self._on_cpu,
            told=lambda count: progress(min(1.0, count / expected)),
        )
        self._shard = shard
        self._attention = self._make_attention(AttentionConfig(config, shard, dtype, self._target.block_size))
        unique = {id(weight): weight.size for weight in self._parameters.values()}
        self._loaded = LoadedModel(config, dtype, sum(unique.values()) * item_size(dtype), _num_parameters(config, checkpoint))
        progress(1.0)
        return self._loaded

    def kv_cache_spec(self) -> Sequence[KvCacheLayer]:
        return [self._get_attention().cache_layer()] * self._get_loaded().config.num_layers

    def profile(self, limits: BatchLimits) -> MemoryProfile:
        loaded, attention, shard = self._get_loaded(), self._get_attention(), self._shard
        self._limits = limits
        config = loaded.config
        width = 6 * config.hidden_size + 3 * shard.intermediate_size + 4 * (shard.num_heads + 2 * shard.num_kv_heads) * config.head_dim
        logits = 2 * limits.max_logits_rows * shard.vocab_rows * shard.world_size * 4
        activations = limits.max_num_batched_tokens * width * item_size(loaded.dtype) + logits + attention.activation_bytes(limits)
        return MemoryProfile(loaded.weights_bytes, activations)

    def bind_kv_cache(self, layers: Sequence[Tensor]) -> None:
        loaded, attention = self._get_loaded(), self._get_attention()
        limits = self._get_limits()
        add_rotations(self._parameters, loaded.config, loaded.dtype, limits.max_model_len)
        caches = attention.bind(layers)
        is_half = loaded.dtype != "float32"
        parts = DecoderParts(loaded.config, self._shard, self._parameters, caches, attention, is_half, transposed=not self._on_cpu)
        buckets: Sequence[int | None] = attention.row_buckets(limits) or [None]
        kinds: list[tuple[Phase, int | None]] = [("prefill", None), *(("decode", num_rows) for num_rows in buckets)]
        self._graphs = {kind: self._graph(parts, *kind) for kind in kinds}

    def warmup(self, progress: Progress) -> None:
        steps = warmup_steps(self._get_limits(), self._get_attention().row_buckets(self._get_limits()))
        for index, step in enumerate(steps):
            self._run(step)
            progress((index + 1) / len(steps))

    def execute(self, batch: InputBatch, logits: npt.NDArray[np.float32]) -> None:
        vocab_size = self._get_loaded().config.vocab_size
        for rows, computed in self._run(Step.of(batch)):
            if self._target.rank.rank == 0:
                logits[rows] = computed[:, :vocab_size]

    def close(self) -> None:
        self._graphs, self._parameters, self._attention, self._loaded = {}, {}, None, None

    def _run(self, step: Step) -> Sequence[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
        """Rows of logits, and what they are."""
        if step.num_tokens == 0:
            return []
        results, first_logits = [], 0
        for part in step.independent(self._target.block_size):
            results += [(first_logits + rows, computed) for rows, computed in self._run_part(part)]
            first_logits += len(part.logits_indices)
        return results

    def _run_part(self, step: Step) -> Sequence[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
        """Rows whose calls may come in any order."""
        wanted = step.logits_indices
        results = []
        for call in self._get_attention().calls(step):
            place = np.full(step.num_tokens, -1, np.int32)
            place[call.token_indices] = np.arange(len(call.token_indices))
            rows = np.flatnonzero(place[wanted] >= 0)
            computed = self._call(step, call, place[wanted[rows]])
            if len(rows):
                results.append((rows, computed[: len(rows)]))
        return results

    def _call(self, step: Step, call: GraphCall, logits_indices: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """A call that wants no logits computes one row of them: an empty matrix is nothing that graphs can be given."""
        ids, positions = step.input_ids[call.token_indices], step.positions[call.token_indices]
        flat = [ids, positions, logits_indices if len(logits_indices) else np.zeros(1, np.int32)]
        if call.num_rows is not None:
            flat = [np.pad(data, (0, call.num_rows - len(data))) for data in flat]
        tensors = [ms.Tensor.from_numpy(np.ascontiguousarray(data)) for data in flat]
        result: npt.NDArray[np.float32] = self._graphs[call.phase, call.num_rows](*tensors, *call.inputs).asnumpy()
        return result

    def _graph(self, parts: DecoderParts, phase: Phase, num_rows: int | None) -> Callable[..., Any]:
        decoder = Decoder(parts, phase)
        decoder.set_train(False)
        if self._target.eager:
            return decoder
        tokens = [ms.Tensor(shape=[num_rows], dtype=ms.int32) for _ in range(3)]
        decoder.set_inputs(*tokens, *parts.attention.placeholders(phase, num_rows))
        options = {} if self._on_cpu else {"infer_boost": "on"}
        return ms.jit(decoder, jit_level="O0", **options)

    def _get_limits(self) -> BatchLimits:
        if self._limits is None:
            raise WorkerError("This is a bug: the limits of batches are not known yet")
        return self._limits

    def _get_loaded(self) -> LoadedModel:
        if self._loaded is None:
            raise WorkerError("This is a bug: no model is loaded")
        return self._loaded

    def _get_attention(self) -> PagedAttention:
        if self._attention is None:
            raise WorkerError("This is a bug: no model is loaded")
        return self._attention


def _num_parameters(config: DecoderConfig, checkpoint: Checkpoint) -> int:
    """Those of the whole model, whatever this rank holds; reads none of them."""
    return sum(weight.data.size for weight in load_weights(config, checkpoint, Shard.of(config, Rank())))
