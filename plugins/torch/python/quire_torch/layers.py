"""Layers of a decoder on one rank: weights, and what is done with them."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from quire_worker.decoder_config import Activation

from .process_group import ProcessGroup


@dataclass(frozen=True)
class Norm:
    """RMS norm, or layer norm with or without weights."""

    is_rms: bool
    width: int
    epsilon: float
    weight: torch.Tensor | None
    bias: torch.Tensor | None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self.is_rms:
            return F.rms_norm(x, (self.width,), self.weight, self.epsilon)
        return F.layer_norm(x, (self.width,), self.weight, self.bias, self.epsilon)


@dataclass(frozen=True)
class Linear:
    """`weight` is `[out, in]`."""

    weight: torch.Tensor
    bias: torch.Tensor | None = None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weight, self.bias)


@dataclass(frozen=True)
class SummedLinear:
    """Inputs are divided among the ranks; every rank has the sum of all."""

    linear: Linear
    group: ProcessGroup | None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        partial = self.linear(x)
        return partial if self.group is None else self.group.all_reduce(partial)


@dataclass(frozen=True)
class Embedding:
    """Rows from `start` on are this rank's; every rank has the sum of all."""

    weight: torch.Tensor
    start: int
    group: ProcessGroup | None

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        if self.group is None:
            return F.embedding(ids, self.weight)
        local = ids - self.start
        absent = (local < 0) | (local >= len(self.weight))
        found = F.embedding(local.masked_fill(absent, 0), self.weight)
        return self.group.all_reduce(found.masked_fill_(absent.unsqueeze(-1), 0))


@dataclass(frozen=True)
class Mlp:
    """`up` holds the gate before it where there is one."""

    up: Linear
    down: SummedLinear
    gated: bool
    activation: Activation

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        inner = self.up(x)
        if self.gated:
            gate, up = inner.chunk(2, -1)
            return self.down(_activate(gate, self.activation).mul_(up))
        return self.down(_activate(inner, self.activation))


def _activate(x: torch.Tensor, activation: Activation) -> torch.Tensor:
    if activation == "silu":
        return F.silu(x)
    if activation == "relu":
        return F.relu(x)
    return F.gelu(x, approximate="tanh" if activation == "gelu_tanh" else "none")
