"""Configuration, weights and rotary tables give transformers' logits: checked by a plain dense forward in NumPy, on one rank and on two."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quire_worker.checkpoint import Checkpoint
from quire_worker.decoder_config import ARCHITECTURES, DecoderConfig, read_config
from quire_worker.decoder_weights import Shard, load_weights
from quire_worker.dtypes import Array, to_float32
from quire_worker.framework import Rank

FIXTURES = Path(__file__).parents[4] / "tests" / "fixtures"


def _known(directory: Path) -> bool:
    config = directory / "config.json"
    return config.is_file() and json.loads(config.read_text())["architectures"][0] in ARCHITECTURES


NAMES = sorted(path.name for path in FIXTURES.iterdir() if _known(path))


class Ranks:
    """The weights of all ranks; every product is the sum, or the concatenation, of theirs."""

    def __init__(self, directory: Path, world_size: int) -> None:
        self.config = read_config(directory)
        checkpoint = Checkpoint(directory)
        self.shards = [Shard.of(self.config, Rank(rank, world_size)) for rank in range(world_size)]
        self.weights = [{w.name: to_float32(w.data, w.dtype) for w in load_weights(self.config, checkpoint, shard)} for shard in self.shards]

    def linear(self, x: Array, name: str, weights: dict[str, Array]) -> Array:
        return np.asarray(x @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", np.float32(0)))

    def norm(self, x: Array, name: str) -> Array:
        weights, epsilon = self.weights[0], self.config.norm_epsilon
        if self.config.norm == "rms":
            return _rms(x, weights[f"{name}.weight"], epsilon)
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon)
        return np.asarray(scaled * weights.get(f"{name}.weight", np.float32(1)) + weights.get(f"{name}.bias", np.float32(0)))

    def logits(self, ids: list[int]) -> Array:
        config, first = self.config, self.weights[0]
        embedded = np.concatenate([w["embed"] for w in self.weights])
        x = embedded[ids]
        if "project_in" in first:
            x = x @ first["project_in"].T
        if config.rope is None:
            x = x + first["positions"][np.arange(len(ids)) + config.position_offset]
        for layer in range(config.num_layers):
            x = self._block(x, layer)
        x = self.norm(x, "final_norm") if config.final_norm else x
        x = x @ first["project_out"].T if "project_out" in first else x
        head = np.concatenate([w.get("head", w["embed"]) for w in self.weights])
        return np.asarray((x @ head.T)[:, : config.vocab_size])

    def _block(self, x: Array, layer: int) -> Array:
        name = f"layers.{layer}."
        for half, norm in ((self._attention, f"{name}attention_norm"), (self._mlp, f"{name}mlp_norm")):
            x = x + half(self.norm(x, norm), layer) if self.config.norm_first else self.norm(x + half(x, layer), norm)
        return x

    def _mlp(self, x: Array, layer: int) -> Array:
        name, total = f"layers.{layer}.", np.float32(0)
        for weights in self.weights:
            up = self.linear(x, f"{name}up", weights)
            inner = _activate(self.linear(x, f"{name}gate", weights), "silu") * up if self.config.gated else _activate(up, self.config.activation)
            total = total + self.linear(inner, f"{name}down", weights)
        return np.asarray(total)

    def _attention(self, x: Array, layer: int) -> Array:
        total: Array = np.zeros_like(x)
        for shard, weights in zip(self.shards, self.weights, strict=True):
            total = total + self._attention_of(x, layer, shard, weights)
        return total

    def _attention_of(self, x: Array, layer: int, shard: Shard, weights: dict[str, Array]) -> Array:
        config, name, tokens = self.config, f"layers.{layer}.", len(x)
        q = self.linear(x, f"{name}q", weights).reshape(tokens, shard.num_heads, config.head_dim)
        k = self.linear(x, f"{name}k", weights).reshape(tokens, shard.num_kv_heads, config.head_dim)
        v = self.linear(x, f"{name}v", weights).reshape(tokens, shard.num_kv_heads, config.head_dim)
        if config.head_norms:
            q, k = (_rms(part, weights[f"{name}{which}_norm.weight"], config.norm_epsilon) for part, which in ((q, "q"), (k, "k")))
        if config.rope is not None:
            cosines, sines = config.rope.table(tokens)
            q, k = (_rotate(part, cosines[:, None], sines[:, None]) for part in (q, k))
        group = shard.num_heads // shard.num_kv_heads
        k, v = np.repeat(k, group, 1), np.repeat(v, group, 1)
        scores = np.einsum("qhd,khd->hqk", q, k) * config.scales[layer]
        distance = np.arange(tokens)[:, None] - np.arange(tokens)[None]
        hidden = (distance < 0) | (distance >= (config.windows[layer] or math.inf))
        scores = np.where(hidden, -np.inf, scores)
        weight = np.exp(scores - scores.max(-1, keepdims=True))
        weight /= weight.sum(-1, keepdims=True)
        return self.linear(np.einsum("hqk,khd->qhd", weight, v).reshape(tokens, -1), f"{name}o", weights)


def _rms(x: Array, weight: Array, epsilon: float) -> Array:
    return np.asarray(x / np.sqrt((x**2).mean(-1, keepdims=True) + epsilon) * weight)


def _rotate(x: Array, cosines: Array, sines: Array) -> Array:
    low, high = np.split(x, 2, -1)
    return np.concatenate([low * cosines - high * sines, high * cosines + low * sines], -1)


def _activate(x: Array, activation: str) -> Array:
    if activation == "silu":
        return np.asarray(x / (1 + np.exp(-x)))
    if activation == "relu":
        return np.maximum(x, 0)
    if activation == "gelu":
        return np.asarray(0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))))
    return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))


def _largest_difference(ranks: Ranks, golden: dict[str, Any]) -> float:
    """Relative to the largest logit where that is above 1."""
    differences = [0.0]
    for prompt in golden["prompts"]:
        logits = ranks.logits(prompt["prompt_token_ids"])
        for row in prompt["logits"]:
            expected = np.array(row["values"])
            differences.append(float(np.abs(logits[row["position"]] - expected).max() / max(1, np.abs(expected).max())))
    return max(differences)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "llama_rope_dynamic"])
def test_logits_are_those_of_transformers(name: str) -> None:
    golden = json.loads((FIXTURES / name / "golden.json").read_text())
    assert any(prompt["logits"] for prompt in golden["prompts"])
    assert _largest_difference(Ranks(FIXTURES / name, 1), golden) < 1e-4


def _two_ranks(name: str) -> bool:
    config: DecoderConfig = read_config(FIXTURES / name)
    return config.num_heads % 2 == 0


@pytest.mark.parametrize("name", [name for name in NAMES if name != "llama_rope_dynamic" and _two_ranks(name)])
def test_two_ranks_give_the_same_logits(name: str) -> None:
    golden = json.loads((FIXTURES / name / "golden.json").read_text())
    assert _largest_difference(Ranks(FIXTURES / name, 2), golden) < 1e-4
