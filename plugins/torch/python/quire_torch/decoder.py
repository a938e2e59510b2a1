"""One decoder for all architectures of `DecoderConfig`, on one rank."""

from dataclasses import dataclass

import torch
from quire_worker.decoder_config import DecoderConfig
from quire_worker.decoder_weights import Shard

from .attention.interface import StepAttention
from .layers import Embedding, Linear, Mlp, Norm, SummedLinear
from .process_group import ProcessGroup
from .step import Step

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Layer:
    attention_norm: Norm
    qkv: Linear
    """Query, key and value heads of this rank, one after another."""
    head_norm: torch.Tensor | None
    """`[query and key heads, head_dim]`, weights of their RMS norm."""
    output: SummedLinear
    mlp_norm: Norm
    mlp: Mlp


class Decoder:
    def __init__(self, config: DecoderConfig, shard: Shard, group: ProcessGroup | None) -> None:
        self._config, self._shard, self._group = config, shard, group
        self._layers: list[Layer] = []
        self._outer: Weights = {}
        self.num_parameters = 0
        self.weights_bytes = 0

    def add_layer(self, weights: Weights) -> None:
        """Layers come in order; names are those of `decoder_weights` without their number."""
        config, shard = self._config, self._shard
        self._count(weights)
        head_norm = None
        if config.head_norms:
            parts = (weights["q_norm.weight"].expand(shard.num_heads, -1), weights["k_norm.weight"].expand(shard.num_kv_heads, -1))
            head_norm = torch.cat(parts)
        self._layers.append(
            Layer(
                attention_norm=self._norm("attention_norm", weights),
                qkv=_linear(["q", "k", "v"], weights),
                head_norm=head_norm,
                output=SummedLinear(_linear(["o"], weights), self._group),
                mlp_norm=self._norm("mlp_norm", weights),
                mlp=Mlp(
                    up=_linear(["gate", "up"] if config.gated else ["up"], weights),
                    down=SummedLinear(_linear(["down"], weights), self._group),
                    gated=config.gated,
                    activation=config.activation,
                ),
            )
        )

    def add_outer(self, weights: Weights) -> None:
        """What is in no layer."""
        self._outer = {name: weight for name, weight in weights.items() if name != "head"}
        self._count(weights)
        self._embedding = Embedding(weights["embed"], self._shard.vocab_start, self._group)
        self._final_norm = self._norm("final_norm", weights) if self._config.final_norm else None
        self._head = Linear.of(weights.get("head", weights["embed"]))
        if "head" not in weights and self._head.is_packed:
            self.weights_bytes += weights["embed"].nbytes  # looked up in one order, multiplied in another

    def hidden(self, step: Step, attention: StepAttention) -> torch.Tensor:
        """`[num_logits, embedding_size]`: the tokens whose logits are wanted, ready for `logits`."""
        config, outer = self._config, self._outer
        x = self._embedding(step.input_ids)  # [tokens, embedding_size]
        if "project_in" in outer:
            x = torch.nn.functional.linear(x, outer["project_in"])  # [tokens, hidden_size]
        if config.rope is None:
            x = x + outer["positions"].index_select(0, step.positions + config.position_offset)
        for index, layer in enumerate(self._layers):
            mixed = self._attend(index, layer, layer.attention_norm(x) if config.norm_first else x, attention)
            x = x + mixed if config.norm_first else layer.attention_norm(x + mixed)
            if index == len(self._layers) - 1 and not step.host.wants_every_token:
                x = x.index_select(0, step.logits_indices)  # [num_logits, hidden_size]
                if len(x) == 0:
                    break
            x = x + layer.mlp(layer.mlp_norm(x)) if config.norm_first else layer.mlp_norm(x + layer.mlp(x))
        x = x if self._final_norm is None else self._final_norm(x)
        return torch.nn.functional.linear(x, outer["project_out"]) if "project_out" in outer else x

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """`[rows, vocab_size]`, in the model's type, on every rank."""
        local = self._head(hidden)  # [rows, vocab_rows]
        if self._group is None:
            return local
        return torch.cat(self._group.all_gather(local), -1)[:, : self._config.vocab_size]

    def _count(self, weights: Weights) -> None:
        self.num_parameters += sum(weight.numel() for weight in weights.values())
        self.weights_bytes += sum(weight.nbytes for weight in weights.values())

    def _attend(self, index: int, layer: Layer, x: torch.Tensor, attention: StepAttention) -> torch.Tensor:
        config, shard = self._config, self._shard
        qkv = layer.qkv(x).view(len(x), shard.num_heads + 2 * shard.num_kv_heads, config.head_dim)  # [tokens, heads, head_dim]
        if layer.head_norm is not None:
            heads = qkv[:, : len(layer.head_norm)]
            heads.copy_(torch.nn.functional.rms_norm(heads, (config.head_dim,), None, config.norm_epsilon) * layer.head_norm)
        return layer.output(attention(index, qkv))  # [tokens, hidden_size]

    def _norm(self, name: str, weights: Weights) -> Norm:
        config = self._config
        return Norm(config.norm == "rms", config.hidden_size, config.norm_epsilon, weights.get(f"{name}.weight"), weights.get(f"{name}.bias"))


def _linear(names: list[str], weights: Weights) -> Linear:
    """The maps of one input side by side."""
    joined = torch.cat([weights[f"{name}.weight"] for name in names]) if len(names) > 1 else weights[f"{names[0]}.weight"]
    biases = [weights[f"{name}.bias"] for name in names if f"{name}.bias" in weights]
    return Linear.of(joined, torch.cat(biases) if len(biases) > 1 else biases[0] if biases else None)
