"""The weights of a decoder under the same names for all architectures, cut for one rank. Linear weights are `[out, in]`.

embed [vocab, embedding]          vocab-parallel: this rank's rows, padded with zeros to `Shard.vocab_rows`
positions [rows, hidden]          project_in [hidden, embedding]   project_out [embedding, hidden]
layers.N.attention_norm.weight .bias      layers.N.mlp_norm.weight .bias      final_norm.weight .bias
layers.N.q .k .v .weight .bias    column-parallel by heads; key and value heads are repeated where ranks outnumber them
layers.N.o.weight .bias           row-parallel; the bias on rank 0 only
layers.N.q_norm.weight .k_norm.weight [head_dim]
layers.N.gate .up .weight .bias   column-parallel       layers.N.down.weight .bias   row-parallel, bias on rank 0
head [vocab, embedding]           vocab-parallel; absent where it is `embed`
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .checkpoint import Checkpoint
from .decoder_config import DecoderConfig
from .dtypes import Array, DTypeName
from .errors import ModelUnsupportedError
from .framework import Rank


@dataclass(frozen=True)
class Shard:
    """What one rank holds of a model."""

    rank: int
    world_size: int
    num_heads: int
    num_kv_heads: int
    intermediate_size: int
    vocab_start: int
    vocab_rows: int
    """Rows of the embedding and output matrices here, padding included; equal on all ranks."""

    @staticmethod
    def of(config: DecoderConfig, rank: Rank) -> "Shard":
        """Raises ModelUnsupportedError if heads or the MLP cannot be cut evenly."""
        world = rank.world_size
        for what, size in (("attention heads", config.num_heads), ("MLP columns", config.intermediate_size)):
            if size % world:
                raise ModelUnsupportedError(f"{size} {what} cannot be divided among {world} ranks")
        if config.num_kv_heads % world and world % config.num_kv_heads:
            raise ModelUnsupportedError(f"{config.num_kv_heads} key and value heads cannot be divided among {world} ranks")
        rows = config.vocab_size if world == 1 else -(-config.vocab_size // (64 * world)) * 64
        return Shard(
            rank=rank.rank,
            world_size=world,
            num_heads=config.num_heads // world,
            num_kv_heads=max(1, config.num_kv_heads // world),
            intermediate_size=config.intermediate_size // world,
            vocab_start=rank.rank * rows,
            vocab_rows=rows,
        )


@dataclass(frozen=True)
class Weight:
    """One weight on this rank; `data` may view the mapped file (read-only). bfloat16 as its bits."""

    name: str
    data: Array
    dtype: DTypeName


def load_weights(config: DecoderConfig, checkpoint: Checkpoint, shard: Shard) -> Iterator[Weight]:
    """Every weight of this rank, one at a time. Raises ModelInvalidError for one that is absent or of another shape."""
    return _Loader(config, checkpoint, shard).weights()


class _Loader:
    def __init__(self, config: DecoderConfig, checkpoint: Checkpoint, shard: Shard) -> None:
        self.config, self.checkpoint, self.shard = config, checkpoint, shard

    def weights(self) -> Iterator[Weight]:
        config = self.config
        if config.architecture == "GPT2LMHeadModel":
            base, embed, positions, final = self._base("transformer.", "wte.weight"), "wte", "wpe", "ln_f"
        elif config.architecture == "OPTForCausalLM":
            base = self._base("model.", "decoder.embed_tokens.weight") + "decoder."
            embed, positions, final = "embed_tokens", "embed_positions", "final_layer_norm"
        else:
            base, embed, positions, final = self._base("model.", "embed_tokens.weight"), "embed_tokens", "", "norm"
        matrix = (config.vocab_size, config.embedding_size)
        embedding = f"{base}{embed}.weight"
        if config.tied and embedding not in self.checkpoint and "lm_head.weight" in self.checkpoint:
            embedding = "lm_head.weight"  # a tied matrix may be stored under its other name
        yield self._vocab_rows("embed", embedding, matrix)
        if config.rope is None:
            rows = config.max_positions + config.position_offset
            yield self._whole("positions", f"{base}{positions}.weight", (rows, config.hidden_size))
        if config.embedding_size != config.hidden_size:
            yield self._whole("project_in", f"{base}project_in.weight", (config.hidden_size, config.embedding_size))
            yield self._whole("project_out", f"{base}project_out.weight", (config.embedding_size, config.hidden_size))
        for layer in range(config.num_layers):
            yield from self._gpt2_layer(base, layer) if config.architecture == "GPT2LMHeadModel" else self._layer(base, layer)
        if config.final_norm:
            yield from self._norm("final_norm", f"{base}{final}")
        if not config.tied or "lm_head.weight" in self.checkpoint:
            yield self._vocab_rows("head", "lm_head.weight", matrix)

    def _layer(self, base: str, layer: int) -> Iterator[Weight]:
        config, at, to = self.config, f"{base}layers.{layer}.", f"layers.{layer}."
        opt, starcoder = config.architecture == "OPTForCausalLM", config.architecture == "Starcoder2ForCausalLM"
        yield from self._norm(f"{to}attention_norm", at + ("self_attn_layer_norm" if opt else "input_layernorm"))
        yield from self._norm(f"{to}mlp_norm", at + ("final_layer_norm" if opt else "post_attention_layernorm"))
        hidden, inner, dim = config.hidden_size, config.intermediate_size, config.head_dim
        for name, heads in (("q", config.num_heads), ("k", config.num_kv_heads), ("v", config.num_kv_heads)):
            source = f"{at}self_attn.{name}_proj"
            yield from self._columns(f"{to}{name}", source, (heads * dim, hidden), config.qkv_bias, self._head_rows(heads))
        yield from self._rows(f"{to}o", f"{at}self_attn.{'out_proj' if opt else 'o_proj'}", (hidden, config.num_heads * dim), config.output_bias)
        if config.head_norms:
            yield self._whole(f"{to}q_norm.weight", f"{at}self_attn.q_norm.weight", (dim,))
            yield self._whole(f"{to}k_norm.weight", f"{at}self_attn.k_norm.weight", (dim,))
        up, down = ("fc1", "fc2") if opt else ("mlp.c_fc", "mlp.c_proj") if starcoder else ("mlp.up_proj", "mlp.down_proj")
        if config.gated:
            yield from self._columns(f"{to}gate", f"{at}mlp.gate_proj", (inner, hidden), config.mlp_bias, self._inner_rows())
        yield from self._columns(f"{to}up", at + up, (inner, hidden), config.mlp_bias, self._inner_rows())
        yield from self._rows(f"{to}down", at + down, (hidden, inner), config.mlp_bias)

    def _gpt2_layer(self, base: str, layer: int) -> Iterator[Weight]:
        """Linear maps are stored `[in, out]`, query, key and value side by side."""
        config, at, to = self.config, f"{base}h.{layer}.", f"layers.{layer}."
        hidden, inner = config.hidden_size, config.intermediate_size
        yield from self._norm(f"{to}attention_norm", f"{at}ln_1")
        yield from self._norm(f"{to}mlp_norm", f"{at}ln_2")
        fused = self.checkpoint.get(f"{at}attn.c_attn.weight", (hidden, 3 * hidden))
        biases = self.checkpoint.get(f"{at}attn.c_attn.bias", (3 * hidden,))
        rows = self._head_rows(config.num_heads)
        for index, name in enumerate("qkv"):
            part = slice(index * hidden, (index + 1) * hidden)
            yield Weight(f"{to}{name}.weight", fused.data[:, part].T[rows], fused.dtype)
            yield Weight(f"{to}{name}.bias", biases.data[part][rows], biases.dtype)
        output, up, down = f"{at}attn.c_proj", f"{at}mlp.c_fc", f"{at}mlp.c_proj"
        yield from self._rows(f"{to}o", output, (hidden, hidden), True, transposed=True)
        yield from self._columns(f"{to}up", up, (inner, hidden), True, self._inner_rows(), transposed=True)
        yield from self._rows(f"{to}down", down, (hidden, inner), True, transposed=True)

    def _base(self, prefix: str, probe: str) -> str:
        """Checkpoints of the bare model have no prefix."""
        return "" if prefix + probe not in self.checkpoint and probe in self.checkpoint else prefix

    def _head_rows(self, heads: int) -> slice:
        """Rows of the heads of this rank."""
        world, dim = self.shard.world_size, self.config.head_dim
        per_rank = max(1, heads // world)
        first = self.shard.rank * heads // world if heads < world else self.shard.rank * per_rank
        return slice(first * dim, (first + per_rank) * dim)

    def _inner_rows(self) -> slice:
        width = self.shard.intermediate_size
        return slice(self.shard.rank * width, (self.shard.rank + 1) * width)

    def _whole(self, name: str, source: str, shape: tuple[int, ...]) -> Weight:
        stored = self.checkpoint.get(source, shape)
        return Weight(name, stored.data, stored.dtype)

    def _norm(self, name: str, source: str) -> Iterator[Weight]:
        if not self.config.norm_affine:
            return
        width = (self.config.hidden_size,)
        yield self._whole(f"{name}.weight", f"{source}.weight", width)
        if self.config.norm == "layer":
            yield self._whole(f"{name}.bias", f"{source}.bias", width)

    def _columns(self, name: str, source: str, shape: tuple[int, int], bias: bool, rows: slice, *, transposed: bool = False) -> Iterator[Weight]:
        """Outputs are divided: rows of `[out, in]`."""
        stored = self.checkpoint.get(f"{source}.weight", shape[::-1] if transposed else shape)
        yield Weight(f"{name}.weight", (stored.data.T if transposed else stored.data)[rows], stored.dtype)
        if bias:
            stored = self.checkpoint.get(f"{source}.bias", shape[:1])
            yield Weight(f"{name}.bias", stored.data[rows], stored.dtype)

    def _rows(self, name: str, source: str, shape: tuple[int, int], bias: bool, *, transposed: bool = False) -> Iterator[Weight]:
        """Inputs are divided: columns of `[out, in]`; the partial results are summed over ranks."""
        stored = self.checkpoint.get(f"{source}.weight", shape[::-1] if transposed else shape)
        width = shape[1] // self.shard.world_size
        columns = slice(self.shard.rank * width, (self.shard.rank + 1) * width)
        yield Weight(f"{name}.weight", (stored.data.T if transposed else stored.data)[:, columns], stored.dtype)
        if bias and self.shard.rank == 0:
            yield self._whole(f"{name}.bias", f"{source}.bias", shape[:1])

    def _vocab_rows(self, name: str, source: str, shape: tuple[int, int]) -> Weight:
        stored, shard = self.checkpoint.get(source, shape), self.shard
        part = stored.data[shard.vocab_start : shard.vocab_start + shard.vocab_rows]
        if len(part) < shard.vocab_rows:
            part = np.concatenate([part, np.zeros((shard.vocab_rows - len(part), shape[1]), part.dtype)])
        return Weight(name, part, stored.dtype)
