"""The seven architectures as one MindSpore cell, built from their description. One cell per phase; both use the same Parameters."""

from collections.abc import Sequence
from dataclasses import dataclass

import mindspore as ms
from mindspore import nn, ops
from quire_worker.decoder_config import DecoderConfig
from quire_worker.decoder_weights import Shard

from .attention.interface import PagedAttention, Phase
from .layers import Activate, Angles, HeadNorms, Linear, Parameters, Rotation, norm


@dataclass(frozen=True)
class DecoderParts:
    """What a decoder is built from."""

    config: DecoderConfig
    shard: Shard
    parameters: Parameters
    caches: Sequence[Sequence[ms.Parameter]]
    attention: PagedAttention
    is_half: bool
    transposed: bool
    """Linear weights lie as `[out, in]`."""


class VocabEmbedding(nn.Cell):
    """Rows of the vocabulary that this rank holds, summed over ranks."""

    def __init__(self, weight: ms.Parameter, shard: Shard) -> None:
        super().__init__(auto_prefix=False)
        self.weight, self.gather = weight, ops.Gather()
        self.start, self.rows = shard.vocab_start, shard.vocab_rows
        self.sharded = shard.world_size > 1
        if self.sharded:
            self.reduce = ops.AllReduce()

    def construct(self, ids: ms.Tensor) -> ms.Tensor:
        if not self.sharded:
            return self.gather(self.weight, ids, 0)
        local = ids - self.start
        here = ops.logical_and(local >= 0, local < self.rows)
        rows = self.gather(self.weight, ops.select(here, local, ops.zeros_like(local)), 0)
        return self.reduce(rows * ops.expand_dims(ops.cast(here, self.weight.dtype), 1))


class VocabHead(nn.Cell):
    """Scores of the vocabulary in float32, `[rows, vocab rows of all ranks]`."""

    def __init__(self, parameters: Parameters, shard: Shard, transposed: bool) -> None:
        super().__init__(auto_prefix=False)
        self.linear = Linear(parameters, "head", transposed=transposed)
        self.cast, self.sharded = ops.Cast(), shard.world_size > 1
        if self.sharded:
            self.gather_ranks, self.transpose = ops.AllGather(), ops.Transpose()

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        logits = self.cast(self.linear(x), ms.float32)
        if self.sharded:
            logits = self.transpose(self.gather_ranks(self.transpose(logits, (1, 0))), (1, 0))
        return logits


class Mlp(nn.Cell):
    def __init__(self, parts: DecoderParts, name: str) -> None:
        super().__init__(auto_prefix=False)
        transposed = parts.transposed
        self.gated = parts.config.gated
        if self.gated:
            self.gate = Linear(parts.parameters, f"{name}gate", transposed=transposed)
        self.up = Linear(parts.parameters, f"{name}up", transposed=transposed)
        self.down = Linear(parts.parameters, f"{name}down", transposed=transposed, sum_over_ranks=parts.shard.world_size > 1)
        self.activate = Activate(parts.config.activation)

    def construct(self, x: ms.Tensor) -> ms.Tensor:
        if self.gated:
            return self.down(self.activate(self.gate(x)) * self.up(x))
        return self.down(self.activate(self.up(x)))


class SelfAttention(nn.Cell):
    def __init__(self, parts: DecoderParts, phase: Phase, layer: int) -> None:
        super().__init__(auto_prefix=False)
        config, shard, name = parts.config, parts.shard, f"layers.{layer}."
        self.heads = (-1, shard.num_heads + 2 * shard.num_kv_heads, config.head_dim)
        self.qkv = Linear(parts.parameters, f"{name}qkv", transposed=parts.transposed)
        self.output = Linear(parts.parameters, f"{name}o", transposed=parts.transposed, sum_over_ranks=shard.world_size > 1)
        self.has_norms = config.head_norms
        if self.has_norms:
            epsilon = config.norm_epsilon
            self.norms = HeadNorms(parts.parameters, name, shard.num_heads, shard.num_kv_heads, epsilon=epsilon, is_half=parts.is_half)
        self.rotates = config.rope is not None
        if self.rotates:
            self.rotate = Rotation(self.heads[1], config.head_dim)
        self.attend = parts.attention.cell(phase, layer)
        self.cache = ms.ParameterTuple(parts.caches[layer])

    def construct(self, x: ms.Tensor, cosines: ms.Tensor, sines: ms.Tensor, *inputs: ms.Tensor) -> ms.Tensor:
        heads = ops.reshape(self.qkv(x), self.heads)
        if self.has_norms:
            heads = self.norms(heads)
        if self.rotates:
            heads = self.rotate(heads, cosines, sines)
        return self.output(self.attend(heads, *self.cache, *inputs))


class DecoderBlock(nn.Cell):
    def __init__(self, parts: DecoderParts, phase: Phase, layer: int) -> None:
        super().__init__(auto_prefix=False)
        name, config = f"layers.{layer}.", parts.config
        self.norm_first = config.norm_first
        self.attention_norm = norm(config, parts.parameters, f"{name}attention_norm", parts.is_half)
        self.mlp_norm = norm(config, parts.parameters, f"{name}mlp_norm", parts.is_half)
        self.attention, self.mlp = SelfAttention(parts, phase, layer), Mlp(parts, name)

    def construct(self, x: ms.Tensor, cosines: ms.Tensor, sines: ms.Tensor, *inputs: ms.Tensor) -> ms.Tensor:
        if self.norm_first:
            x = x + self.attention(self.attention_norm(x), cosines, sines, *inputs)
            return x + self.mlp(self.mlp_norm(x))
        x = self.attention_norm(x + self.attention(x, cosines, sines, *inputs))
        return self.mlp_norm(x + self.mlp(x))


class Decoder(nn.Cell):
    """`(ids, positions, logits indices, *attention inputs) -> logits` in float32."""

    def __init__(self, parts: DecoderParts, phase: Phase) -> None:
        super().__init__(auto_prefix=False)
        config, shard, parameters = parts.config, parts.shard, parts.parameters
        self.embed = VocabEmbedding(parameters["embed"], shard)
        self.projects = "project_in.weight" in parameters
        if self.projects:
            self.project_in = Linear(parameters, "project_in", transposed=parts.transposed)
            self.project_out = Linear(parameters, "project_out", transposed=parts.transposed)
        self.rotates, self.gather = config.rope is not None, ops.Gather()
        if self.rotates:
            rotated = shard.num_heads + shard.num_kv_heads
            self.angles = Angles(parameters["cosines"], parameters["sines"], rotated, shard.num_kv_heads)
        else:
            self.learned, self.position_offset = parameters["positions"], config.position_offset
        self.blocks = nn.CellList([DecoderBlock(parts, phase, layer) for layer in range(config.num_layers)], auto_prefix=False)
        self.has_final_norm = config.final_norm
        if self.has_final_norm:
            self.final_norm = norm(config, parameters, "final_norm", parts.is_half)
        self.head = VocabHead(parameters, shard, parts.transposed)

    def construct(self, ids: ms.Tensor, positions: ms.Tensor, logits_indices: ms.Tensor, *inputs: ms.Tensor) -> ms.Tensor:
        x = self.embed(ids)
        if self.projects:
            x = self.project_in(x)
        cosines, sines = positions, positions
        if self.rotates:
            cosines, sines = self.angles(positions)
        else:
            x = x + self.gather(self.learned, positions + self.position_offset, 0)
        for block in self.blocks:
            x = block(x, cosines, sines, *inputs)
        x = self.gather(x, logits_indices, 0)
        if self.has_final_norm:
            x = self.final_norm(x)
        if self.projects:
            x = self.project_out(x)
        return self.head(x)
