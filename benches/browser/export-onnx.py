"""Writes a checkpoint as ONNX in float32, in the layout that transformers.js reads, with the builder of onnxruntime-genai.

usage: export-onnx.py MODEL_DIRECTORY OUT_DIRECTORY       (needs: onnxruntime-genai, onnx, onnx-ir, torch, transformers)
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import onnx

TOKENIZER_FILES = ("tokenizer.json", "generation_config.json")


def main(model: str, out: str) -> None:
    source, target = pathlib.Path(model), pathlib.Path(out)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", model, "-o", folder]
        subprocess.run([*command, "-p", "fp32", "-e", "cpu", "-c", f"{folder}/cache"], check=True)
        # One file: below the 2 GB that a message of protobuf may have.
        graph = onnx.load(f"{folder}/model.onnx")
    (target / "onnx").mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        if (source / name).exists():
            shutil.copy(source / name, target / name)
    config = json.loads((source / "config.json").read_text())
    give_heads_their_size(graph, config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])
    (target / "config.json").write_text(json.dumps(config))
    tokenizer = json.loads((source / "tokenizer_config.json").read_text())
    tokenizer["pad_token"] = tokenizer.get("pad_token") or tokenizer["eos_token"]
    (target / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    onnx.save(graph, f"{target}/onnx/model.onnx")


def give_heads_their_size(graph: onnx.ModelProto, head_dim: int) -> None:
    """The builder names the cache's last dimension; transformers.js makes an empty cache with 0 for each that has a name."""
    for value in [*graph.graph.input, *graph.graph.output]:
        if value.name.startswith(("past_key_values.", "present.")):
            value.type.tensor_type.shape.dim[-1].dim_value = head_dim


if __name__ == "__main__":
    main(*sys.argv[1:])
