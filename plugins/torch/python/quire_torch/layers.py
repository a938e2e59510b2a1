"""Layers of a decoder on one rank: weights, and what is done with them."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from quire_worker.decoder_config import Activation

from .packed import can_pack, pack, packed_linear
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
        if self.is_rms and self.weight is not None and x.device.type == "cpu" and x.dtype == torch.float32:
            return _rms(x, self.weight, self.epsilon)
        if self.is_rms:
            return F.rms_norm(x, (self.width,), self.weight, self.epsilon)
        return F.layer_norm(x, (self.width,), self.weight, self.bias, self.epsilon)


@dataclass(frozen=True)
class Linear:
    """`weight` is `[out, in]`, packed where the device has a better order for it."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    is_packed: bool

    @staticmethod
    def of(weight: torch.Tensor, bias: torch.Tensor | None = None) -> "Linear":
        is_packed = can_pack(weight)
        return Linear(pack(weight) if is_packed else weight, bias, is_packed)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return packed_linear(x, self.weight, self.bias) if self.is_packed else F.linear(x, self.weight, self.bias)


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


def _rms(x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    """On a CPU PyTorch makes its RMS norm of three times as many operations."""
    length = torch.linalg.vector_norm(x, 2, -1, keepdim=True)
    scale = torch.full_like(length, epsilon).addcmul_(length, length, value=1 / x.shape[-1]).rsqrt_()
    return (x * scale).mul_(weight)


def _activate(x: torch.Tensor, activation: Activation) -> torch.Tensor:
    if activation == "silu":
        return F.silu(x)
    if activation == "relu":
        return F.relu(x)
    return F.gelu(x, approximate="tanh" if activation == "gelu_tanh" else "none")
