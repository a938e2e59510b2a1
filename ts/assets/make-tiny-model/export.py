"""Writes the trained weights as a Hugging Face checkpoint in bfloat16: export.py FINAL.pt OUT_DIR (which holds the tokenizer)."""

import json
import pathlib
import sys

import torch
from safetensors.torch import save_file

import corpus
from model import TinyLlama

BEGIN_ID, END_ID = corpus.SPECIAL_TOKENS.index(corpus.BEGIN), corpus.SPECIAL_TOKENS.index(corpus.END)


def export(final: pathlib.Path, out: pathlib.Path) -> None:
    saved = torch.load(final, weights_only=False)
    c = saved["config"]
    model = TinyLlama(c)
    model.load_state_dict(saved["model"])
    tensors = {f"model.{name}": t.detach().bfloat16().contiguous() for name, t in model.named_parameters()}
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    ids = {"bos_token_id": BEGIN_ID, "eos_token_id": END_ID, "pad_token_id": END_ID}
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": c.vocab_size, "hidden_size": c.hidden_size,
        "intermediate_size": c.intermediate_size, "num_hidden_layers": c.num_hidden_layers, "num_attention_heads": c.num_attention_heads,
        "num_key_value_heads": c.num_key_value_heads, "head_dim": c.head_dim, "hidden_act": "silu", "rms_norm_eps": c.rms_norm_eps,
        "max_position_embeddings": c.max_position_embeddings, "rope_theta": c.rope_theta, "rope_scaling": None, "attention_bias": False,
        "mlp_bias": False, "attention_dropout": 0.0, "initializer_range": c.initializer_range, "tie_word_embeddings": True, "use_cache": True,
        "pretraining_tp": 1, "torch_dtype": "bfloat16", **ids,
    }  # fmt: skip
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (out / "generation_config.json").write_text(json.dumps(ids, indent=2) + "\n")


if __name__ == "__main__":
    export(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
