"""The engine's calls to the model runner. Steps and logits lie in memory that both processes map; only step ids cross the wire."""

import mmap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .activity import activity
from .batch import InputBatch
from .call_params import CallParams
from .decoder_config import DecoderConfig
from .errors import ProtocolMismatchError, WorkerError
from .framework import Framework, Rank
from .framework_calls import Call
from .runner import BatchLimits, LoadedModel, Progress, Runner, Target
from .storage_table import StorageTable

CreateRunner = Callable[[Framework, Target], Runner]


class RunnerCalls:
    """`progress` tells the fraction of the call that is running."""

    def __init__(self, create: CreateRunner, framework: Framework, rank: Rank, storages: StorageTable, progress: Progress) -> None:
        self._create, self._framework, self._rank = create, framework, rank
        self._storages, self._progress = storages, progress
        self._current: Runner | None = None
        self._words: npt.NDArray[np.int32] | None = None
        self._logits: npt.NDArray[np.float32] | None = None

    def table(self) -> dict[str, Call]:
        """The calls by name."""
        return {
            "createRunner": self._create_runner,
            "loadModel": self._load_model,
            "profile": self._profile,
            "mapStepMemory": self._map_step_memory,
            "bindKvCache": self._bind_kv_cache,
            "warmup": self._warmup,
            "execute": self._execute,
            "closeRunner": lambda _: self.close(),
        }

    def close(self) -> None:
        """Frees the model and the shared memory."""
        runner, self._current = self._current, None
        self._words = self._logits = None
        if runner is not None:
            runner.close()

    def _runner(self) -> Runner:
        if self._current is None:
            raise ProtocolMismatchError("There is no runner")
        return self._current

    def _create_runner(self, params: CallParams) -> None:
        target = Target(
            device=params.device(),
            dtype=params.text("dtype"),
            rank=self._rank,
            block_size=params.integer("blockSize", 1),
            threads=params.optional_integer("threads"),
            eager=params.flag("eager"),
        )
        self.close()
        with activity.during("loading"):
            self._current = self._create(self._framework, target)

    def _load_model(self, params: CallParams) -> Mapping[str, Any]:
        runner = self._runner()
        with activity.during("loading"):
            model = runner.load_model(Path(params.text("path")), self._progress)
            layers = runner.kv_cache_spec()
        spec = [{"dtype": layer.dtype, "shape": list(layer.shape), "bytesPerBlock": layer.bytes_per_block, "alignment": layer.alignment} for layer in layers]
        return {"model": _model_info(model), "layers": spec}

    def _profile(self, params: CallParams) -> Mapping[str, Any]:
        limits = BatchLimits(
            max_num_seqs=params.integer("maxNumSeqs", 1),
            max_num_batched_tokens=params.integer("maxNumBatchedTokens", 1),
            max_model_len=params.integer("maxModelLen", 1),
            max_logits_rows=params.integer("maxLogitsRows"),
            block_size=params.integer("blockSize", 1),
        )
        with activity.during("compiling"):
            profile = self._runner().profile(limits)
        return {"weightsBytes": profile.weights_bytes, "activationBytes": profile.activation_bytes}

    def _map_step_memory(self, params: CallParams) -> None:
        """The words of a step, then `[logitsRows, vocabSize]` of float32."""
        path, words_bytes = Path(params.text("path")), params.integer("wordsBytes", 4)
        rows, columns = params.integer("logitsRows"), params.integer("vocabSize")
        total = words_bytes + rows * columns * 4
        try:
            with path.open("r+b") as file:
                memory = mmap.mmap(file.fileno(), total)
        except (OSError, ValueError) as error:
            raise WorkerError(f"The memory that is shared with the engine ({path}, {total} bytes) cannot be mapped: {error}") from error
        self._words = np.frombuffer(memory, np.int32, words_bytes // 4)
        self._logits = np.frombuffer(memory, np.float32, rows * columns, words_bytes).reshape(rows, columns)

    def _bind_kv_cache(self, params: CallParams) -> None:
        self._runner().bind_kv_cache([self._storages.tensor(window) for window in params.groups("layers")])

    def _warmup(self, _params: CallParams) -> None:
        with activity.during("compiling"):
            self._runner().warmup(self._progress)

    def _execute(self, params: CallParams) -> Mapping[str, Any]:
        runner, step = self._runner(), params.integer("step", -(1 << 31))
        if self._words is None or self._logits is None:
            raise ProtocolMismatchError("A step came before the memory that it lies in")
        with activity.during("executing", step):
            batch = InputBatch(self._words)
            if batch.step_id != step:
                raise ProtocolMismatchError(f"Step {step} was told, but step {batch.step_id} lies in memory")
            if self._rank.rank == 0 and batch.num_logits > len(self._logits):
                raise ProtocolMismatchError(f"A step wants {batch.num_logits} rows of logits; there is memory for {len(self._logits)}")
            tokens = runner.execute(batch, self._logits)
        if tokens is None:
            return {"step": batch.step_id, "kind": "logits"}
        counts, token_ids = (np.ascontiguousarray(part, dtype=np.int32).tobytes() for part in (tokens.counts, tokens.token_ids))
        return {"step": batch.step_id, "kind": "tokens", "counts": counts, "tokenIds": token_ids}


def _model_info(model: LoadedModel) -> dict[str, Any]:
    config = model.config
    return {
        "architecture": config.architecture,
        "modelType": config.model_type,
        "vocabSize": config.vocab_size,
        "maxPositionEmbeddings": config.max_positions,
        "hiddenSize": config.hidden_size,
        "numLayers": config.num_layers,
        "numHeads": config.num_heads,
        "numKvHeads": config.num_kv_heads,
        "headDim": config.head_dim,
        "dtype": model.dtype,
        "weightsBytes": model.weights_bytes,
        "numParameters": model.num_parameters,
        "eosTokenIds": list(config.eos_token_ids),
        "slidingWindow": config.sliding_window,
        "generationDefaults": _generation_defaults(config),
    }


def _generation_defaults(config: DecoderConfig) -> dict[str, int | float]:
    names = {
        "temperature": "temperature",
        "top_p": "topP",
        "top_k": "topK",
        "min_p": "minP",
        "repetition_penalty": "repetitionPenalty",
        "max_new_tokens": "maxNewTokens",
    }
    given = ((ours, config.generation.get(theirs)) for theirs, ours in names.items())
    return {name: value for name, value in given if isinstance(value, int | float) and not isinstance(value, bool)}
