"""The parts of a decoder as cells over given Parameters. Linear maps are laid out as the device multiplies them fastest."""

import math
from collections.abc import Mapping
from typing import Literal

import mindspore as ms
import numpy as np
from mindspore import nn, ops
from quire_worker.decoder_config import Activation, DecoderConfig

Parameters = Mapping[str, ms.Parameter]


class Linear(nn.Cell):
    """`x @ weight + bias`; the weight lies as `[in, out]`, or as `[out, in]` if `transposed`. Partial sums are added over ranks."""

    def __init__(self, parameters: Parameters, name: str, *, transposed: bool, sum_over_ranks: bool = False) -> None:
        super().__init__(auto_prefix=False)
        self.weight = parameters[f"{name}.weight"]
        self.has_bias = f"{name}.bias" in parameters
        if self.has_bias:
            self.bias = parameters[f"{name}.bias"]
        self.multiply = ops.MatMul(transpose_b=transposed)
        self.reduces = sum_over_ranks
        if sum_over_ranks:
            self.reduce = ops.AllReduce()

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        y = self.multiply(x, self.weight)
        if self.has_bias:
            y = y + self.bias
        if self.reduces:
            y = self.reduce(y)
        return y


class RmsNorm(nn.Cell):
    """Over the last dimension, in float32."""

    def __init__(self, weight: ms.Parameter, epsilon: float, is_half: bool) -> None:
        super().__init__(auto_prefix=False)
        self.weight, self.epsilon, self.is_half = weight, epsilon, is_half
        self.mean, self.square, self.rsqrt, self.cast = ops.ReduceMean(keep_dims=True), ops.Square(), ops.Rsqrt(), ops.Cast()
        self.dtype = weight.dtype

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        if self.is_half:
            x = self.cast(x, ms.float32)
        x = x * self.rsqrt(self.mean(self.square(x), -1) + self.epsilon)
        if self.is_half:
            x = self.cast(x, self.dtype)
        return x * self.weight


class LayerNorm(nn.Cell):
    """Over the last dimension, in float32; without Parameters it only scales."""

    def __init__(self, parameters: Parameters, name: str, size: int, epsilon: float, is_half: bool) -> None:
        super().__init__(auto_prefix=False)
        self.is_half = is_half
        weight, bias = parameters.get(f"{name}.weight"), parameters.get(f"{name}.bias")
        dtype = ms.float32 if weight is None else weight.dtype
        self.weight = ms.Tensor(np.ones(size, np.float32), dtype) if weight is None else weight
        self.bias = ms.Tensor(np.zeros(size, np.float32), dtype) if bias is None else bias
        self.normalise, self.cast = ops.LayerNorm(-1, -1, epsilon), ops.Cast()

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        if self.is_half:
            dtype = x.dtype
            wide = self.normalise(self.cast(x, ms.float32), self.cast(self.weight, ms.float32), self.cast(self.bias, ms.float32))[0]
            return self.cast(wide, dtype)
        return self.normalise(x, self.weight, self.bias)[0]


def norm(config: DecoderConfig, parameters: Parameters, name: str, is_half: bool) -> nn.Cell:
    """The norm of a model of this kind."""
    if config.norm == "rms":
        return RmsNorm(parameters[f"{name}.weight"], config.norm_epsilon, is_half)
    return LayerNorm(parameters, name, config.hidden_size, config.norm_epsilon, is_half)


class HeadNorms(nn.Cell):
    """RMS norm of each query head and each key head (Qwen3); values stay as they are."""

    def __init__(self, parameters: Parameters, layer: str, num_heads: int, num_kv_heads: int, *, epsilon: float, is_half: bool) -> None:
        super().__init__(auto_prefix=False)
        self.num_heads, self.normed = num_heads, num_heads + num_kv_heads
        self.queries = RmsNorm(parameters[f"{layer}q_norm.weight"], epsilon, is_half)
        self.keys = RmsNorm(parameters[f"{layer}k_norm.weight"], epsilon, is_half)
        self.join = ops.Concat(1)

    def construct(self, heads: ms.Tensor) -> ms.Tensor:
        return self.join((self.queries(heads[:, : self.num_heads]), self.keys(heads[:, self.num_heads : self.normed]), heads[:, self.normed :]))


class Rotation(nn.Cell):
    """Rotates all heads at once, given cosines and sines for each; those of values are 1 and 0."""

    def __init__(self, num_heads: int, dim: int) -> None:
        super().__init__(auto_prefix=False)
        self.shape = (-1, num_heads, dim)
        self.halves = (-1, 2, dim // 2)
        self.swap, self.gather = ms.Tensor(np.array([1, 0], np.int32)), ops.Gather()

    def construct(self, heads: ms.Tensor, cosines: ms.Tensor, sines: ms.Tensor) -> ms.Tensor:
        swapped = ops.reshape(self.gather(ops.reshape(heads, self.halves), self.swap, 1), self.shape)
        return heads * cosines + swapped * sines


class Angles(nn.Cell):
    """Cosines and sines of a step's positions for every head, `[tokens, heads + 2 * kv heads, dim]`."""

    def __init__(self, cosines: ms.Parameter, sines: ms.Parameter, num_rotated: int, num_kv_heads: int) -> None:
        """The tables are `[positions, 1, dim]`, the first half of the sines negative."""
        super().__init__(auto_prefix=False)
        self.cosines, self.sines, self.gather = cosines, sines, ops.Gather()
        rotated = np.repeat([1.0, 0.0], [num_rotated, num_kv_heads]).astype(np.float32)[:, None]
        self.rotated = ms.Tensor(rotated, cosines.dtype)
        self.kept = ms.Tensor(1 - rotated, cosines.dtype)

    def construct(self, positions: ms.Tensor) -> tuple[ms.Tensor, ms.Tensor]:
        cosines = self.gather(self.cosines, positions, 0) * self.rotated + self.kept
        return cosines, self.gather(self.sines, positions, 0) * self.rotated


class Activate(nn.Cell):
    """The activation of an MLP."""

    def __init__(self, activation: Activation) -> None:
        super().__init__(auto_prefix=False)
        self.kind: Literal["silu", "relu", "gelu", "gelu_tanh"] = activation
        self.erf, self.tanh, self.relu = ops.Erf(), ops.Tanh(), ops.ReLU()
        self.root_half, self.root_two_over_pi = math.sqrt(0.5), math.sqrt(2 / math.pi)

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        if self.kind == "silu":
            return ops.silu(x)
        if self.kind == "relu":
            return self.relu(x)
        if self.kind == "gelu":
            return x * 0.5 * (self.erf(x * self.root_half) + 1.0)
        return x * 0.5 * (self.tanh((x + x * x * x * 0.044715) * self.root_two_over_pi) + 1.0)
