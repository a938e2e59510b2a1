"""Writes the tensors of a bfloat16 safetensors checkpoint (Llama architecture) into a copy of a GGUF file's metadata.

usage: write-gguf.py SOURCE.gguf MODEL_DIRECTORY OUT.gguf [--type bf16|f16]       (needs: gguf, numpy)
"""
import argparse
import json
import struct

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, LlamaFileType

NAMES = {
    "token_embd": "model.embed_tokens", "output_norm": "model.norm", "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}


def read_bfloat16(path: str) -> dict[str, np.ndarray]:
    """Tensors as the uint16 bits of bfloat16."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "BF16", f"{name} is {entry['dtype']}"
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end], np.uint16).reshape(entry["shape"])
    return tensors


def widened(weight: np.ndarray) -> np.ndarray:
    """The bits of bfloat16 as float32."""
    return (weight.astype(np.uint32) << 16).view(np.float32)


def interleaved(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rope pairs from Hugging Face's halves to GGUF's neighbours."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def main(source: str, model: str, out: str, is_half: bool) -> None:
    reader = GGUFReader(source)
    config = json.load(open(f"{model}/config.json"))
    tensors = read_bfloat16(f"{model}/model.safetensors")
    writer = GGUFWriter(out, "llama")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type", "general.quantization_version"):
            continue
        kind = field.types[0]
        if kind == GGUFValueType.ARRAY:
            writer.add_array(field.name, field.contents())
        else:
            writer.add_key_value(field.name, field.contents(), kind)
    writer.add_file_type(LlamaFileType.MOSTLY_F16 if is_half else LlamaFileType.MOSTLY_BF16)
    for tensor in reader.tensors:
        parts = tensor.name.split(".")
        name = f"model.layers.{parts[1]}.{NAMES[parts[2]]}" if parts[0] == "blk" else NAMES[parts[0]]
        weight = tensors[f"{name}.weight"]
        if parts[-2] == "attn_q":
            weight = interleaved(weight, config["num_attention_heads"])
        if parts[-2] == "attn_k":
            weight = interleaved(weight, config["num_key_value_heads"])
        if weight.ndim == 1:  # norms stay float32, as llama.cpp's own converter writes them
            writer.add_tensor(tensor.name, widened(weight))
        elif is_half:
            writer.add_tensor(tensor.name, widened(weight).astype(np.float16))
        else:
            writer.add_tensor(tensor.name, np.ascontiguousarray(weight).view(np.uint8), raw_dtype=GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("source", "model", "out"):
        parser.add_argument(name)
    parser.add_argument("--type", choices=("bf16", "f16"), default="bf16")
    arguments = parser.parse_args()
    main(arguments.source, arguments.model, arguments.out, arguments.type == "f16")
