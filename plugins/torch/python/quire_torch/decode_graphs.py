"""Decode steps recorded once per number of rows and run again with other numbers in the same memory: the host launches one graph, not a thousand kernels."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from quire_worker.runner import BatchLimits, Progress

from .step import HostStep, Step, step_of

_MOST_ROWS = 512


class GraphRecorder(Protocol):
    def record(self, work: Callable[[], torch.Tensor]) -> tuple[Callable[[], Any], torch.Tensor]:
        """Runs `work`; gives what runs it again, and the tensor that each run writes its result to."""


class CudaGraphRecorder:
    """Graphs share one pool of memory: only one runs at a time."""

    def __init__(self) -> None:
        self._pool: Any = None

    def record(self, work: Callable[[], torch.Tensor]) -> tuple[Callable[[], Any], torch.Tensor]:
        # The first run compiles kernels and sets up libraries, which a graph cannot hold.
        aside: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            work()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            result = work()
        self._pool = graph.pool()
        return graph.replay, result


def graph_sizes(max_num_seqs: int) -> list[int]:
    """Numbers of rows that are recorded, rising; steps between them are filled up with rows that write nothing."""
    most = min(max_num_seqs, _MOST_ROWS)
    sizes = {size for size in (1, 2, 4, *range(8, most + 1, 8)) if size <= most}
    return sorted(sizes | {most})


class _Recorded:
    """One size: its integers on the host and on the device, and the graph that reads them."""

    def __init__(self, size: int, table_width: int, device: torch.device) -> None:
        lengths = [size, size, size, size + 1, size, size * table_width, size]
        self._words = torch.zeros(sum(lengths), dtype=torch.int32, pin_memory=device.type == "cuda")
        self._on_device = torch.zeros(sum(lengths), dtype=torch.int32, device=device)
        sections = [part.numpy() for part in torch.split_with_sizes(self._words, lengths)]
        sections[5] = sections[5].reshape(size, table_width)
        self.host = HostStep(*sections)
        self.host.query_start_loc[:] = np.arange(size + 1)
        self.host.logits_indices[:] = np.arange(size)
        self.replay: Callable[[], Any] = lambda: None
        self.logits = torch.empty(0)

    def step(self, max_seq_len: int) -> Step:
        """Tensors that `fill` renews."""
        lengths = [section.size for section in self.host.sections]
        parts = torch.split_with_sizes(self._on_device, lengths)
        shaped = [part.view(section.shape) for part, section in zip(parts, self.host.sections, strict=True)]
        return step_of(self.host, shaped, max_query_len=1, max_seq_len=max_seq_len)

    def fill(self, step: HostStep | None) -> None:
        """Rows beyond the step's read one token of the null block and write nothing."""
        host, rows = self.host, 0 if step is None else step.num_rows
        host.input_ids[rows:], host.positions[rows:], host.slot_mapping[rows:], host.seq_lens[rows:] = 0, 0, -1, 1
        host.block_tables[rows:] = 0
        if step is not None:
            host.input_ids[:rows], host.positions[:rows] = step.input_ids, step.positions
            host.slot_mapping[:rows], host.seq_lens[:rows] = step.slot_mapping, step.seq_lens
            width = min(step.block_tables.shape[1], host.block_tables.shape[1])
            host.block_tables[:rows, :width] = step.block_tables[:, :width]
            host.block_tables[:rows, width:] = 0
        self._on_device.copy_(self._words, non_blocking=True)


class DecodeGraphs:
    def __init__(self, run: Callable[[Step], torch.Tensor], limits: BatchLimits, device: torch.device, recorder: GraphRecorder) -> None:
        """`run` gives the logits of a step, and depends on nothing but its tensors."""
        self._run, self._limits, self._device, self._recorder = run, limits, device, recorder
        self._recorded: dict[int, _Recorded] = {}

    def record(self, progress: Progress) -> None:
        """The largest first: the smaller ones find room in its memory."""
        table_width = -(-self._limits.max_model_len // self._limits.block_size)
        sizes = graph_sizes(self._limits.max_num_seqs)
        for index, size in enumerate(reversed(sizes)):
            recorded = _Recorded(size, table_width, self._device)
            recorded.fill(None)
            step = recorded.step(self._limits.max_model_len)
            recorded.replay, recorded.logits = self._recorder.record(lambda step=step: self._run(step))  # type: ignore[misc]
            self._recorded[size] = recorded
            progress((index + 1) / len(sizes))

    def logits(self, host: HostStep) -> torch.Tensor | None:
        """`[num_rows, vocab_size]`, overwritten by the next step; None where no graph is for it."""
        fitting = [size for size in self._recorded if size >= host.num_rows]
        if not host.is_decode or not fitting:
            return None
        recorded = self._recorded[min(fitting)]
        recorded.fill(host)
        recorded.replay()
        return recorded.logits[: host.num_rows]
