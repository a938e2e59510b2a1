"""The forward pass of every decoder that `quire_worker.decoder_config` describes. The comments give shapes."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from quire_worker.batch import InputBatch
from quire_worker.decoder_config import DecoderConfig
from quire_worker.dtypes import Array

from .attention import attend, write_cache

_erf = np.vectorize(math.erf, otypes=[np.float32])


class Decoder:
    """`weights` have the names of `quire_worker.decoder_weights`; linear weights are `[out, in]`."""

    def __init__(self, config: DecoderConfig, weights: Mapping[str, Array]) -> None:
        self._config, self._weights = config, weights
        self._cosines = self._sines = np.zeros((0, 0), np.float32)

    def prepare(self, max_model_len: int) -> None:
        """Rotary tables for positions below `max_model_len`, `[positions, head_dim / 2]`."""
        if self._config.rope is not None:
            self._cosines, self._sines = self._config.rope.table(max_model_len)

    def logits(self, batch: InputBatch, caches: Sequence[Array]) -> Array:
        """One step: `[num_logits, vocab_size]`. Writes keys and values into `caches`, one per layer."""
        config, weights = self._config, self._weights
        x = weights["embed"][batch.input_ids]  # [tokens, embedding]
        if "project_in" in weights:
            x = x @ weights["project_in"].T  # [tokens, hidden]
        if config.rope is None:
            x = x + weights["positions"][batch.positions + config.position_offset]
        for layer, cache in enumerate(caches):
            x = self._block(x, layer, batch, cache)
        x = x[batch.logits_indices]  # [num_logits, hidden]
        if config.final_norm:
            x = self._norm(x, "final_norm")
        if "project_out" in weights:
            x = x @ weights["project_out"].T  # [num_logits, embedding]
        return np.asarray(x @ weights.get("head", weights["embed"]).T)  # [num_logits, vocab_size]

    def _block(self, x: Array, layer: int, batch: InputBatch, cache: Array) -> Array:
        name = f"layers.{layer}"
        if self._config.norm_first:
            x = x + self._attention(self._norm(x, f"{name}.attention_norm"), layer, batch, cache)
            return x + self._mlp(self._norm(x, f"{name}.mlp_norm"), name)
        x = self._norm(x + self._attention(x, layer, batch, cache), f"{name}.attention_norm")
        return self._norm(x + self._mlp(x, name), f"{name}.mlp_norm")

    def _attention(self, x: Array, layer: int, batch: InputBatch, cache: Array) -> Array:
        config, name, tokens = self._config, f"layers.{layer}", len(x)
        queries = self._linear(x, f"{name}.q").reshape(tokens, config.num_heads, config.head_dim)
        keys = self._linear(x, f"{name}.k").reshape(tokens, config.num_kv_heads, config.head_dim)
        values = self._linear(x, f"{name}.v").reshape(tokens, config.num_kv_heads, config.head_dim)
        if config.head_norms:
            queries = self._rms_norm(queries, f"{name}.q_norm")
            keys = self._rms_norm(keys, f"{name}.k_norm")
        if config.rope is not None:
            queries, keys = self._rotate(queries, batch.positions), self._rotate(keys, batch.positions)
        write_cache(cache, batch, keys, values)
        gathered = attend(cache, batch, queries, config.scales[layer], config.windows[layer])  # [tokens, heads, head_dim]
        return self._linear(gathered.reshape(tokens, -1), f"{name}.o")

    def _mlp(self, x: Array, name: str) -> Array:
        up = self._linear(x, f"{name}.up")  # [tokens, intermediate]
        inner = self._activate(self._linear(x, f"{name}.gate")) * up if self._config.gated else self._activate(up)
        return self._linear(inner, f"{name}.down")

    def _linear(self, x: Array, name: str) -> Array:
        product = x @ self._weights[f"{name}.weight"].T
        bias = self._weights.get(f"{name}.bias")
        return np.asarray(product if bias is None else product + bias)

    def _norm(self, x: Array, name: str) -> Array:
        if self._config.norm == "rms":
            return self._rms_norm(x, name)
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + self._config.norm_epsilon)
        if not self._config.norm_affine:
            return np.asarray(scaled)
        return np.asarray(scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"])

    def _rms_norm(self, x: Array, name: str) -> Array:
        scaled = x / np.sqrt((x**2).mean(-1, keepdims=True) + self._config.norm_epsilon)
        return np.asarray(scaled * self._weights[f"{name}.weight"])

    def _rotate(self, x: Array, positions: Array) -> Array:
        """Turns the halves of each head, `[tokens, heads, head_dim]`, against each other (https://arxiv.org/abs/2104.09864)."""
        cosines, sines = self._cosines[positions][:, None], self._sines[positions][:, None]
        low, high = np.split(x, 2, -1)
        return np.concatenate([low * cosines - high * sines, high * cosines + low * sines], -1)

    def _activate(self, x: Array) -> Array:
        match self._config.activation:
            case "silu":
                return np.asarray(x / (1 + np.exp(-x)))
            case "relu":
                return np.maximum(x, 0)
            case "gelu":
                return np.asarray(0.5 * x * (1 + _erf(x / math.sqrt(2))))
            case "gelu_tanh":
                return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))
