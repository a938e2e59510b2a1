"""Decoder-only transformers, described once for all frameworks: what differs between architectures, as fields."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .config_fields import Fields
from .dtypes import DTypeName, as_dtype
from .errors import ModelInvalidError, ModelNotFoundError, ModelUnsupportedError
from .rope import RopeConfig

ARCHITECTURES = (
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "Qwen2ForCausalLM",
    "Qwen3ForCausalLM",
    "Starcoder2ForCausalLM",
    "OPTForCausalLM",
    "GPT2LMHeadModel",
)
Activation = Literal["silu", "relu", "gelu", "gelu_tanh"]
_ACTIVATIONS: dict[str, Activation] = {
    "silu": "silu",
    "swish": "silu",
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
}


@dataclass(frozen=True)
class DecoderConfig:
    """
    One decoder block is: norm, attention, add, norm, MLP, add (`norm_first`), or attention, add, norm, MLP, add, norm.
    Weights under these names are given by `decoder_weights`.
    """

    architecture: str
    model_type: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    max_positions: int
    embedding_size: int
    """Width of the embeddings; where it is not `hidden_size`, project_in and project_out stand between (OPT-350m)."""
    norm: Literal["rms", "layer"]
    norm_epsilon: float
    norm_first: bool
    final_norm: bool
    activation: Activation
    gated: bool
    """MLP is down(activation(gate(x)) * up(x)), else down(activation(up(x)))."""
    rope: RopeConfig | None
    """Halves are rotated against each other (not interleaved). None: learned positions."""
    position_offset: int
    """First row of the learned positions (OPT: 2)."""
    head_norms: bool
    """RMS norm of each query and key head before rope (Qwen3)."""
    scales: tuple[float, ...]
    """Per layer: factor of the attention scores."""
    windows: tuple[int | None, ...]
    """Per layer: how many positions back a token sees, itself included; None = all."""
    qkv_bias: bool
    output_bias: bool
    mlp_bias: bool
    norm_affine: bool
    tied: bool
    """The output matrix is the embedding, unless the checkpoint has a matrix of its own."""
    dtype: DTypeName
    """What the checkpoint says it is stored in."""
    eos_token_ids: tuple[int, ...]
    generation: dict[str, Any]
    """generation_config.json."""

    @property
    def sliding_window(self) -> int | None:
        """The window if every layer has the same one."""
        return self.windows[0] if len(set(self.windows)) == 1 else None


def read_config(directory: Path) -> DecoderConfig:
    """Raises ModelNotFoundError, ModelInvalidError, ModelUnsupportedError."""
    if not directory.is_dir():
        raise ModelNotFoundError(f"There is no directory {directory}")
    config = _read_json(directory / "config.json")
    if config is None:
        raise ModelNotFoundError(f"{directory} has no config.json")
    architectures = config.get("architectures")
    if not isinstance(architectures, list) or not architectures or not isinstance(architectures[0], str):
        raise ModelInvalidError("config.json: architectures must name the model's class")
    architecture = architectures[0]
    if architecture not in ARCHITECTURES:
        raise ModelUnsupportedError(f"The architecture {architecture} is not supported. Supported: {', '.join(ARCHITECTURES)}.")
    if config.get("quantization_config"):
        raise ModelUnsupportedError("Quantised checkpoints are not supported by this runner.")
    if architecture == "GPT2LMHeadModel":
        config = {
            **config,
            "hidden_size": config.get("n_embd", 768),
            "num_hidden_layers": config.get("n_layer", 12),
            "num_attention_heads": config.get("n_head", 12),
            "max_position_embeddings": config.get("n_positions", 1024),
            "intermediate_size": config.get("n_inner"),
            "hidden_act": config.get("activation_function", "gelu_new"),
        }
    if architecture == "OPTForCausalLM":
        config = {**config, "intermediate_size": config.get("ffn_dim", 3072), "hidden_act": config.get("activation_function", "relu")}
    return _read(architecture, Fields(config), _read_json(directory / "generation_config.json") or {})


def _read(architecture: str, fields: Fields, generation: dict[str, Any]) -> DecoderConfig:
    is_opt, is_gpt2, is_starcoder = (architecture == name for name in ("OPTForCausalLM", "GPT2LMHeadModel", "Starcoder2ForCausalLM"))
    gated = not (is_opt or is_gpt2 or is_starcoder)
    is_qwen = architecture in ("Qwen2ForCausalLM", "Qwen3ForCausalLM")
    hidden, heads, layers = fields.count("hidden_size"), fields.count("num_attention_heads"), fields.count("num_hidden_layers")
    if layers > 4096:
        raise ModelInvalidError(f"config.json: num_hidden_layers is {layers}, expected at most 4096")
    grouped = not (is_opt or is_gpt2)
    default_kv = {"MistralForCausalLM": 8, "Qwen2ForCausalLM": 32, "Qwen3ForCausalLM": 32, "Starcoder2ForCausalLM": 2}.get(architecture, heads)
    kv_heads = fields.count("num_key_value_heads", default_kv if not fields.has("num_key_value_heads") else heads) if grouped else heads
    default_dim = 128 if architecture == "Qwen3ForCausalLM" and not fields.has("head_dim") else max(1, hidden // heads)
    head_dim = fields.count("head_dim", default_dim) if grouped else max(1, hidden // heads)
    if heads % kv_heads:
        raise ModelInvalidError(f"config.json: num_key_value_heads {kv_heads} does not divide num_attention_heads {heads}")
    if head_dim * heads != hidden and (not grouped or (fields.get("head_dim") is None and architecture != "Qwen3ForCausalLM")):
        raise ModelInvalidError(f"config.json: hidden_size {hidden} is not a multiple of num_attention_heads {heads}")
    max_positions = fields.count("max_position_embeddings", 2048)
    use_bias = fields.flag("use_bias", True) if is_starcoder else fields.flag("enable_bias", True) if is_opt else False
    attention_bias = architecture in ("LlamaForCausalLM", "Qwen3ForCausalLM") and fields.flag("attention_bias", False)
    qkv_bias = architecture == "Qwen2ForCausalLM" or attention_bias or is_gpt2 or use_bias
    norm_first = fields.flag("do_layer_norm_before", True) if is_opt else True
    activation = fields.text("hidden_act", "gelu_pytorch_tanh" if is_starcoder else "silu")
    if activation not in _ACTIVATIONS or (gated and _ACTIVATIONS[activation] != "silu"):
        raise ModelUnsupportedError(f"config.json: the activation {activation!r} is not supported for {architecture}")
    epsilon_name = {"GPT2LMHeadModel": "layer_norm_epsilon", "Starcoder2ForCausalLM": "norm_epsilon"}.get(architecture, "rms_norm_eps")
    default_epsilon = 1e-5 if not gated else 1e-6
    return DecoderConfig(
        architecture=architecture,
        model_type=fields.text("model_type", architecture),
        vocab_size=fields.count("vocab_size", 50257 if is_gpt2 else None),
        hidden_size=hidden,
        intermediate_size=fields.count("intermediate_size", 4 * hidden if is_gpt2 else None),
        num_layers=layers,
        num_heads=heads,
        num_kv_heads=kv_heads,
        head_dim=head_dim,
        max_positions=max_positions,
        embedding_size=fields.count("word_embed_proj_dim", hidden) if is_opt else hidden,
        norm="rms" if gated else "layer",
        norm_epsilon=1e-5 if is_opt else fields.number(epsilon_name, default_epsilon),
        norm_first=norm_first,
        final_norm=norm_first and not fields.flag("_remove_final_layer_norm", False),
        activation=_ACTIVATIONS[activation],
        gated=gated,
        rope=None if is_opt or is_gpt2 else RopeConfig.read(fields, head_dim, max_positions),
        position_offset=2 if is_opt else 0,
        head_norms=architecture == "Qwen3ForCausalLM",
        scales=_scales(fields, is_gpt2, head_dim, layers),
        windows=_windows(architecture, fields, is_qwen, layers),
        qkv_bias=qkv_bias,
        output_bias=attention_bias or is_gpt2 or use_bias,
        mlp_bias=is_gpt2 or use_bias or (architecture == "LlamaForCausalLM" and fields.flag("mlp_bias", False)),
        norm_affine=fields.flag("layer_norm_elementwise_affine", True) if is_opt else True,
        tied=fields.flag("tie_word_embeddings", is_opt or is_gpt2 or is_starcoder),
        dtype=_dtype(fields),
        eos_token_ids=_eos(generation.get("eos_token_id", fields.get("eos_token_id"))),
        generation=generation,
    )


def _scales(fields: Fields, is_gpt2: bool, head_dim: int, layers: int) -> tuple[float, ...]:
    scale = head_dim**-0.5 if not is_gpt2 or fields.flag("scale_attn_weights", True) else 1.0
    by_layer = is_gpt2 and fields.flag("scale_attn_by_inverse_layer_idx", False)
    return tuple(scale / (layer + 1) if by_layer else scale for layer in range(layers))


def _windows(architecture: str, fields: Fields, is_qwen: bool, layers: int) -> tuple[int | None, ...]:
    if architecture in ("MistralForCausalLM", "Starcoder2ForCausalLM"):
        default = 4096 if architecture == "MistralForCausalLM" else None
        absent = default if not fields.has("sliding_window") else None
        return (fields.count("sliding_window", absent) if fields.get("sliding_window") is not None or absent else None,) * layers
    if not is_qwen or not fields.flag("use_sliding_window", False):
        return (None,) * layers
    window = None if fields.has("sliding_window") and fields.get("sliding_window") is None else fields.count("sliding_window", 4096)
    types = fields.get("layer_types")
    if types is None:
        raw_first = fields.get("max_window_layers")
        first = raw_first if isinstance(raw_first, int) else 28
        return tuple(window if layer >= first else None for layer in range(layers))
    if not isinstance(types, list) or len(types) != layers or not set(types) <= {"full_attention", "sliding_attention"}:
        raise ModelInvalidError("config.json: layer_types must say full_attention or sliding_attention for each layer")
    return tuple(window if kind == "sliding_attention" else None for kind in types)


def _dtype(fields: Fields) -> DTypeName:
    name = fields.text("dtype", fields.text("torch_dtype", "float32")).removeprefix("torch.")
    return as_dtype(name) if name in ("float32", "float16", "bfloat16") else "float32"


def _eos(value: object) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(item, int) and not isinstance(item, bool) for item in values):
        raise ModelInvalidError("config.json: eos_token_id must be a token id or a list of them")
    return tuple(values)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        parsed = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, OSError, RecursionError) as error:
        raise ModelInvalidError(f"{path.name} cannot be read: {error}") from error
    if not isinstance(parsed, dict):
        raise ModelInvalidError(f"{path.name} must hold an object")
    return parsed
