"""Turns a GGUF file of the Llama architecture into Hugging Face's layout: model.safetensors, config.json,
generation_config.json, tokenizer.json, tokenizer_config.json.

    python convert.py FILE.gguf FOLDER float32|bfloat16

Everything comes from the file itself: dequantised tensors, sizes and token ids from its metadata, the vocabulary, merges
and chat template. Needs the gguf and numpy packages. Must not know where the file came from.
"""

import json
import pathlib
import struct
import sys

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize

CONTROL_TOKEN = 3  # tokenizer.ggml.token_type of special tokens

# GGUF's tensor names and Hugging Face's.
TOP_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


class Metadata:
    """The file's key-value pairs; `llama.` keys by their short name."""

    def __init__(self, reader: GGUFReader):
        self.fields = reader.fields

    def get(self, key: str, default=None):
        field = self.fields.get(key)
        return default if field is None else field.contents()

    def llama(self, key: str):
        return self.get(f"llama.{key}")

    def tokenizer(self, key: str, default=None):
        return self.get(f"tokenizer.ggml.{key}", default)


def to_half_split(weight: np.ndarray, num_heads: int) -> np.ndarray:
    """Rope pairs (0, 1), (2, 3), ... of each head, as GGUF stores them, to pairs (0, d/2), (1, d/2 + 1), ..."""
    rows, columns = weight.shape
    pairs = weight.reshape(num_heads, rows // num_heads // 2, 2, columns)  # [heads, pairs, 2, columns]
    return pairs.swapaxes(1, 2).reshape(rows, columns)


def tensors_of(reader: GGUFReader, metadata: Metadata):
    """Yields (Hugging Face's name, float32 array in row-major order)."""
    heads = {"attn_q": metadata.llama("attention.head_count"), "attn_k": metadata.llama("attention.head_count_kv")}
    for tensor in reader.tensors:
        shape = tuple(reversed(tensor.shape.tolist()))
        weight = np.ascontiguousarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32).reshape(shape)
        parts = tensor.name.split(".")
        if parts[0] == "blk":
            _, layer, kind, suffix = parts
            if kind in heads:
                weight = to_half_split(weight, heads[kind])
            yield f"model.layers.{layer}.{LAYER_NAMES[kind]}.{suffix}", weight
        else:
            yield f"{TOP_NAMES[parts[0]]}.{parts[1]}", weight


def to_bytes(weight: np.ndarray, dtype: str) -> bytes:
    """Little-endian bytes; bfloat16 is rounded to nearest, ties to even."""
    if dtype == "float32":
        return weight.astype("<f4").tobytes()
    bits = np.ascontiguousarray(weight).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def write_safetensors(path: pathlib.Path, tensors, dtype: str) -> set:
    """Header, then the tensors one after another. Returns their names."""
    header, blobs, end = {"__metadata__": {"format": "pt"}}, [], 0
    for name, weight in tensors:
        blob = to_bytes(weight, dtype)
        kind = {"float32": "F32", "bfloat16": "BF16"}[dtype]
        header[name] = {"dtype": kind, "shape": list(weight.shape), "data_offsets": [end, end + len(blob)]}
        blobs.append(blob)
        end += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        file.writelines(blobs)
    return set(header)


def config_of(metadata: Metadata, tied: bool, dtype: str) -> dict:
    hidden_size, num_heads = metadata.llama("embedding_length"), metadata.llama("attention.head_count")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": len(metadata.tokenizer("tokens")),
        "hidden_size": hidden_size,
        "intermediate_size": metadata.llama("feed_forward_length"),
        "num_hidden_layers": metadata.llama("block_count"),
        "num_attention_heads": num_heads,
        "num_key_value_heads": metadata.llama("attention.head_count_kv"),
        "head_dim": hidden_size // num_heads,
        "hidden_act": "silu",
        "max_position_embeddings": metadata.llama("context_length"),
        # Stored as float32: seven digits are all it has.
        "rms_norm_eps": float(f"{metadata.llama('attention.layer_norm_rms_epsilon'):.7g}"),
        "rope_theta": float(metadata.llama("rope.freq_base")),
        "tie_word_embeddings": tied,
        "attention_bias": False,
        "mlp_bias": False,
        "torch_dtype": dtype,
        **special_ids(metadata),
    }


def special_ids(metadata: Metadata) -> dict:
    eos = metadata.tokenizer("eos_token_id")
    return {
        "bos_token_id": metadata.tokenizer("bos_token_id"),
        "eos_token_id": eos,
        "pad_token_id": metadata.tokenizer("padding_token_id", eos),
    }


def tokenizer_of(metadata: Metadata) -> dict:
    """Byte-level BPE that takes digits one by one, then splits words as GPT-2 does (GGUF calls it `smollm`)."""
    kind = metadata.tokenizer("pre")
    if metadata.tokenizer("model") != "gpt2" or kind != "smollm":
        raise SystemExit(f"convert: tokenizer {metadata.tokenizer('model')}/{kind} is not one that this script knows")
    tokens, types = metadata.tokenizer("tokens"), metadata.tokenizer("token_type")
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": index, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
            for index, token in enumerate(tokens)
            if types[index] == CONTROL_TOKEN
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level]},
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: index for index, token in enumerate(tokens)},
            "merges": metadata.tokenizer("merges"),
        },
    }


def tokenizer_config_of(metadata: Metadata) -> dict:
    tokens = metadata.tokenizer("tokens")
    special = {key.replace("_id", ""): tokens[index] for key, index in special_ids(metadata).items()}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **special,
        "unk_token": tokens[metadata.tokenizer("unknown_token_id", 0)],
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": metadata.llama("context_length"),
        "chat_template": metadata.get("tokenizer.chat_template"),
    }


def main(gguf_path: str, folder_path: str, dtype: str) -> None:
    reader = GGUFReader(gguf_path)
    metadata = Metadata(reader)
    folder = pathlib.Path(folder_path)
    folder.mkdir(parents=True)
    names = write_safetensors(folder / "model.safetensors", tensors_of(reader, metadata), dtype)
    documents = {
        "config.json": config_of(metadata, "lm_head.weight" not in names, dtype),
        "generation_config.json": special_ids(metadata),
        "tokenizer.json": tokenizer_of(metadata),
        "tokenizer_config.json": tokenizer_config_of(metadata),
    }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
