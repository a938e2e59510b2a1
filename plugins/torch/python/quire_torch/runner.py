"""One model in PyTorch on one device of one rank."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from quire_worker.batch import InputBatch
from quire_worker.decoder_config import DecoderConfig, read_config
from quire_worker.decoder_weights import Shard
from quire_worker.dtypes import DTypeName, resolve_dtype
from quire_worker.errors import WorkerError
from quire_worker.runner import BatchLimits, KvCacheLayer, LoadedModel, MemoryProfile, Progress, Runner, SampledTokens, Target
from quire_worker.tensor import Tensor

from .attention.interface import Attention, AttentionShape, Rotary
from .attention.select import choose_attention
from .decode_graphs import CudaGraphRecorder, DecodeGraphs, GraphRecorder
from .decoder import Decoder
from .devices import DTYPES, out_of_memory, runtime, torch_device
from .framework import TorchFramework, window
from .load import load_decoder
from .step import HostStep, Step, StepMemory


class TorchRunner(Runner):
    def __init__(
        self,
        framework: TorchFramework,
        target: Target,
        attention: Callable[[AttentionShape], Attention] = choose_attention,
        recorder: GraphRecorder | None = None,
    ) -> None:
        """`recorder` None: that of the device, if it has one."""
        self._framework, self._target, self._choose_attention = framework, target, attention
        self._recorder = recorder or (CudaGraphRecorder() if target.device.kind == "cuda" else None)
        self._graphs: DecodeGraphs | None = None
        self._device = torch_device(target.device)
        self._memory = StepMemory(self._device, copies=self._device.type != "cpu")
        self._model: _Model | None = None
        self._limits: BatchLimits | None = None
        if self._device.type == "cpu":
            torch.set_num_threads(target.threads or len(os.sched_getaffinity(0)))

    def load_model(self, path: Path, progress: Progress) -> LoadedModel:
        config = read_config(path)
        dtype = resolve_dtype(self._target.dtype, config.dtype, self._framework.dtypes(self._target.device))
        shard = Shard.of(config, self._target.rank)
        with out_of_memory(), torch.inference_mode():
            decoder = load_decoder(path, config, shard, self._framework.group, DTYPES[dtype], self._device, progress)
        shape = AttentionShape(
            num_heads=shard.num_heads,
            num_kv_heads=shard.num_kv_heads,
            head_dim=config.head_dim,
            block_size=self._target.block_size,
            scales=config.scales,
            windows=config.windows,
            dtype=DTYPES[dtype],
            device=self._device,
        )
        self._model = _Model(config, shard, dtype, decoder, self._choose_attention(shape))
        return LoadedModel(config, dtype, decoder.weights_bytes, decoder.num_parameters)

    def kv_cache_spec(self) -> Sequence[KvCacheLayer]:
        model = self._loaded()
        shape = (2, -1, self._target.block_size, model.shard.num_kv_heads, model.config.head_dim)
        per_block = -int(np.prod(shape)) * DTYPES[model.dtype].itemsize
        return [KvCacheLayer(model.dtype, shape, per_block)] * model.config.num_layers

    def profile(self, limits: BatchLimits) -> MemoryProfile:
        """On a CPU by reckoning, elsewhere by running the largest batch over a cache that is thrown away."""
        model = self._loaded()
        self._limits = limits
        weights = model.decoder.weights_bytes
        if self._device.type == "cpu":
            return MemoryProfile(weights, model.reckoned_bytes(limits))
        return MemoryProfile(weights, self._measured_bytes(model, limits))

    def bind_kv_cache(self, layers: Sequence[Tensor]) -> None:
        self._bind(self._loaded(), [window(layer) for layer in layers])

    def warmup(self, progress: Progress) -> None:
        """The first use of an operation is slower than the rest: rows of each kind are run, which write nothing. Then decode steps are recorded."""
        model, limits = self._loaded(), self._known_limits()
        for length in (1, min(8, limits.max_model_len)):
            self._run(model, _idle(1, length, -(-length // limits.block_size)))
            self._framework.synchronize()
        if self._recorder is not None and model.attention.takes_graphs and not self._target.eager:
            self._graphs = DecodeGraphs(self._logits_of(model), limits, self._device, self._recorder)
            with out_of_memory(), torch.inference_mode():
                self._graphs.record(progress)
        progress(1)

    def execute(self, batch: InputBatch, logits: npt.NDArray[np.float32]) -> SampledTokens | None:
        model = self._loaded()
        with out_of_memory(), torch.inference_mode():
            host = HostStep.of(batch)
            found = None if self._graphs is None else self._graphs.logits(host)
            if found is None:
                hidden = self._run(model, host)
                found = model.decoder.logits(hidden) if batch.num_logits else None
            if found is not None and self._target.rank.rank == 0:
                torch.from_numpy(logits[: batch.num_logits]).copy_(found)
        if self._target.rank.rank != 0 or not batch.num_logits:
            self._framework.synchronize()  # nothing was waited for yet, and the host's copy of the step is about to be overwritten
        return None

    def close(self) -> None:
        self._model = self._limits = self._graphs = None
        self._framework.empty_cache()

    def _run(self, model: "_Model", host: HostStep) -> torch.Tensor:
        with out_of_memory(), torch.inference_mode():
            step = self._memory.bring(host)
            return model.decoder.hidden(step, model.attention.prepare(step))

    @staticmethod
    def _logits_of(model: "_Model") -> Callable[[Step], torch.Tensor]:
        return lambda step: model.decoder.logits(model.decoder.hidden(step, model.attention.prepare(step)))

    def _bind(self, model: "_Model", caches: Sequence[torch.Tensor]) -> None:
        rope, limits = model.config.rope, self._known_limits()
        rotary = None
        if rope is not None:
            tables = rope.table(limits.max_model_len)
            rotary = Rotary(*(torch.from_numpy(table).to(self._device, DTYPES[model.dtype]) for table in tables))
        model.attention.bind(caches, rotary)

    def _measured_bytes(self, model: "_Model", limits: BatchLimits) -> int:
        length = min(limits.max_model_len, limits.max_num_batched_tokens)
        rows = max(1, min(limits.max_num_seqs, limits.max_num_batched_tokens // length))
        shape = (2, 1, limits.block_size, model.shard.num_kv_heads, model.config.head_dim)
        with out_of_memory(), torch.inference_mode():
            cache = torch.zeros(shape, dtype=DTYPES[model.dtype], device=self._device)
            self._bind(model, [cache] * model.config.num_layers)
            host = _idle(rows, length, -(-length // limits.block_size))
            module = runtime(self._target.device.kind)
            self._framework.synchronize()
            if not hasattr(module, "max_memory_allocated"):
                return model.reckoned_bytes(limits)
            before = int(module.memory_allocated())
            module.reset_peak_memory_stats()
            hidden = self._run(model, host)
            wanted = hidden[:1].expand(limits.max_logits_rows, -1)
            model.decoder.logits(wanted).float()
            self._framework.synchronize()
            peak = int(module.max_memory_allocated())
        self._framework.empty_cache()
        return max(0, peak - before)

    def _loaded(self) -> "_Model":
        if self._model is None:
            raise WorkerError("No model is loaded")
        return self._model

    def _known_limits(self) -> BatchLimits:
        if self._limits is None:
            raise WorkerError("The limits of batches are not known before profile")
        return self._limits


class _Model:
    def __init__(self, config: DecoderConfig, shard: Shard, dtype: DTypeName, decoder: Decoder, attention: Attention) -> None:
        self.config, self.shard, self.dtype, self.decoder, self.attention = config, shard, dtype, decoder, attention

    def reckoned_bytes(self, limits: BatchLimits) -> int:
        """An upper bound of what lives at one time in a step."""
        config, shard, size = self.config, self.shard, DTYPES[self.dtype].itemsize
        tokens = limits.max_num_batched_tokens
        heads = 4 * (shard.num_heads + 2 * shard.num_kv_heads) * config.head_dim
        inner = 3 * shard.intermediate_size * (2 if config.gated else 1)
        masks = len(set(config.windows)) * limits.max_model_len
        logits = limits.max_logits_rows * config.vocab_size * (4 + size)
        gathered = 2 * limits.max_model_len * shard.num_kv_heads * config.head_dim * size + (64 << 20)
        return tokens * (4 * config.hidden_size + max(heads, inner) + masks) * size + logits + gathered


def _idle(num_rows: int, length: int, num_blocks: int) -> HostStep:
    """Rows of `length` tokens that read the null block and write nothing; the last token's logits are wanted."""
    tokens = num_rows * length
    starts = np.arange(num_rows + 1, dtype=np.int32) * length
    return HostStep(
        input_ids=np.zeros(tokens, np.int32),
        positions=np.tile(np.arange(length, dtype=np.int32), num_rows),
        slot_mapping=np.full(tokens, -1, np.int32),
        query_start_loc=starts,
        seq_lens=np.full(num_rows, length, np.int32),
        block_tables=np.zeros((num_rows, num_blocks), np.int32),
        logits_indices=starts[1:] - 1,
    )
