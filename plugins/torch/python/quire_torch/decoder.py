"""A decoder-only transformer of any architecture that `DecoderConfig` describes, on one rank, over a paged KV cache."""

from collections.abc import Iterable, Sequence

import torch
import torch.distributed as dist
import torch.nn.functional as F
from quire_worker.decoder_config import DecoderConfig
from quire_worker.decoder_weights import Shard, Weight

from .attention.attention import Attention
from .element_types import from_host

Cache = tuple[torch.Tensor, torch.Tensor]
"""Keys and values of one layer, each `[num_blocks, block_size, num_kv_heads, head_dim]`."""


class Linear:
    """`x @ weight.T + bias`"""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weight, self.bias)


class Norm:
    """RMS or layer norm, computed in float32."""

    def __init__(self, config: DecoderConfig, weight: torch.Tensor | None, bias: torch.Tensor | None) -> None:
        self._is_rms, self._epsilon = config.norm == "rms", config.norm_epsilon
        self._weight, self._bias = weight, bias

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if not self._is_rms:
            return F.layer_norm(x, x.shape[-1:], self._weight, self._bias, self._epsilon)
        if x.dtype == torch.float32:
            return F.rms_norm(x, x.shape[-1:], self._weight, self._epsilon)
        wide = x.float()
        scaled = (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self._epsilon)).to(x.dtype)
        return scaled if self._weight is None else self._weight * scaled


class Weights:
    """The weights of one rank by their name in `decoder_weights`, in the type that is computed in."""

    def __init__(self, weights: Iterable[Weight], dtype: torch.dtype, device: torch.device) -> None:
        self._by_name = {weight.name: from_host(weight.data, weight.dtype).to(device, dtype) for weight in weights}
        self.num_bytes = sum(weight.nbytes for weight in self._by_name.values())
        self.num_parameters = sum(weight.numel() for weight in self._by_name.values())

    def take(self, name: str) -> torch.Tensor:
        return self._by_name.pop(name)

    def find(self, name: str) -> torch.Tensor | None:
        return self._by_name.pop(name, None)

    def linear(self, *names: str) -> Linear:
        """Several that read the same input are one, side by side."""
        matrices = [self.take(f"{name}.weight") for name in names]
        biases = [bias for bias in (self.find(f"{name}.bias") for name in names) if bias is not None]
        if len(names) == 1:
            return Linear(matrices[0], biases[0] if biases else None)
        return Linear(torch.cat(matrices), torch.cat(biases) if biases else None)

    def norm(self, config: DecoderConfig, name: str) -> Norm:
        return Norm(config, self.find(f"{name}.weight"), self.find(f"{name}.bias"))


class Layer:
    """One block: attention and MLP, each with its norm before or after it."""

    def __init__(self, config: DecoderConfig, shard: Shard, weights: Weights, index: int) -> None:
        name = f"layers.{index}."
        self._config, self._shard = config, shard
        self._scale, self._window = config.scales[index], config.windows[index]
        self._attention_norm = weights.norm(config, f"{name}attention_norm")
        self._mlp_norm = weights.norm(config, f"{name}mlp_norm")
        self._head_norms = [weights.norm(config, f"{name}{which}_norm") for which in "qk"] if config.head_norms else []
        self._qkv = weights.linear(f"{name}q", f"{name}k", f"{name}v")
        self._output = weights.linear(f"{name}o")
        self._up = weights.linear(f"{name}gate", f"{name}up") if config.gated else weights.linear(f"{name}up")
        self._down = weights.linear(f"{name}down")

    def __call__(self, x: torch.Tensor, rotation: "Rotation | None", attention: Attention, plan: object, cache: Cache) -> torch.Tensor:
        if self._config.norm_first:
            x = x + self._attend(self._attention_norm(x), rotation, attention, plan, cache)
            return x + self._mlp(self._mlp_norm(x))
        x = self._attention_norm(x + self._attend(x, rotation, attention, plan, cache))
        return self._mlp_norm(x + self._mlp(x))

    def _attend(self, x: torch.Tensor, rotation: "Rotation | None", attention: Attention, plan: object, cache: Cache) -> torch.Tensor:
        shard, dim = self._shard, self._config.head_dim
        heads = self._qkv(x).view(len(x), -1, dim)
        query, key, value = heads.split([shard.num_heads, shard.num_kv_heads, shard.num_kv_heads], 1)
        if self._head_norms:
            query, key = (norm(part) for norm, part in zip(self._head_norms, (query, key), strict=True))
        if rotation is not None:
            query, key = rotation(query), rotation(key)
        attention.write(plan, key, value, *cache)
        seen = attention.attend(plan, query.contiguous(), *cache, self._scale, self._window)
        return self._sum(self._output(seen.reshape(len(x), -1)))

    def _mlp(self, x: torch.Tensor) -> torch.Tensor:
        inner = self._up(x)
        if self._config.gated:
            gate, up = inner.chunk(2, -1)
            return self._sum(self._down(F.silu(gate) * up))
        match self._config.activation:
            case "relu":
                inner = F.relu(inner)
            case "gelu":
                inner = F.gelu(inner)
            case "gelu_tanh":
                inner = F.gelu(inner, approximate="tanh")
            case _:
                inner = F.silu(inner)
        return self._sum(self._down(inner))

    def _sum(self, x: torch.Tensor) -> torch.Tensor:
        return sum_over_ranks(x, self._shard)


class Rotation:
    """Rotary positions of a step's tokens: halves of each head are rotated against each other."""

    def __init__(self, cosines: torch.Tensor, sines: torch.Tensor) -> None:
        """Each `[num_tokens, rotated / 2]`."""
        self._cosines, self._sines = cosines[:, None], sines[:, None]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        low, high = x.chunk(2, -1)
        return torch.cat([low * self._cosines - high * self._sines, high * self._cosines + low * self._sines], -1)


class Decoder:
    def __init__(self, config: DecoderConfig, shard: Shard, weights: Weights, max_positions: int, dtype: torch.dtype, device: torch.device) -> None:
        self._config, self._shard = config, shard
        self._embed = weights.take("embed")
        head = weights.find("head")
        self._head = self._embed if head is None else head
        self._positions = weights.find("positions")
        self._project_in, self._project_out = weights.find("project_in"), weights.find("project_out")
        self._layers = [Layer(config, shard, weights, index) for index in range(config.num_layers)]
        self._final_norm = weights.norm(config, "final_norm") if config.final_norm else None
        tables = () if config.rope is None else config.rope.table(max_positions)
        self._rotation_tables = [torch.from_numpy(table).to(device, dtype) for table in tables]

    def hidden(self, ids: torch.Tensor, positions: torch.Tensor, attention: Attention, plan: object, caches: Sequence[Cache]) -> torch.Tensor:
        """`[num_tokens, hidden]`, before the last norm. `ids` and `positions` are `[num_tokens]`."""
        config = self._config
        x = self._embedded(ids)
        if self._project_in is not None:
            x = F.linear(x, self._project_in)
        if self._positions is not None:
            x = x + F.embedding(positions + config.position_offset, self._positions)
        rotation = Rotation(*(table[positions] for table in self._rotation_tables)) if self._rotation_tables else None
        for layer, cache in zip(self._layers, caches, strict=True):
            x = layer(x, rotation, attention, plan, cache)
        return x

    def logits(self, x: torch.Tensor, output: torch.Tensor) -> None:
        """Writes `[rows, vocab_size]` of float32, on rank 0; every rank must call it."""
        if self._final_norm is not None:
            x = self._final_norm(x)
        if self._project_out is not None:
            x = F.linear(x, self._project_out)
        shard = self._shard
        if shard.world_size == 1:
            if x.dtype == torch.float32 and x.device == output.device:
                torch.mm(x, self._head.T, out=output)
            else:
                output.copy_(F.linear(x, self._head))
            return
        own = F.linear(x, self._head)
        parts = [torch.empty_like(own) for _ in range(shard.world_size)]
        dist.all_gather(parts, own)
        if shard.rank == 0:
            output.copy_(torch.cat(parts, -1)[:, : self._config.vocab_size])

    def _embedded(self, ids: torch.Tensor) -> torch.Tensor:
        shard = self._shard
        if shard.world_size == 1:
            return F.embedding(ids, self._embed)
        local = ids - shard.vocab_start
        elsewhere = (local < 0) | (local >= shard.vocab_rows)
        rows = F.embedding(local.masked_fill(elsewhere, 0), self._embed)
        return sum_over_ranks(rows.masked_fill(elsewhere[:, None], 0), shard)


def sum_over_ranks(x: torch.Tensor, shard: Shard) -> torch.Tensor:
    if shard.world_size > 1:
        dist.all_reduce(x)
    return x
