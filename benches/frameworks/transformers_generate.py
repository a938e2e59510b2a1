"""Tokens per second of transformers' `generate` in float32 on the CPU, with the prompts of bare_loop.py in one batch.

Arguments: a model folder, tokens per sequence, threads. Reads one line per round, answers each with a line of JSON.
"""

import json
import sys
import time

import torch
from transformers import AutoModelForCausalLM

SEQUENCES, PROMPT = 16, 16


def main(folder: str, tokens: int, threads: int) -> None:
    torch.set_num_threads(threads)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    prompts = torch.tensor([[(7 * index + at) % 200 + 3 for at in range(PROMPT)] for index in range(SEQUENCES)])

    def generate(count: int) -> None:
        model.generate(prompts, attention_mask=torch.ones_like(prompts), do_sample=False, max_new_tokens=count, min_new_tokens=count, pad_token_id=0)

    generate(8)
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        generate(tokens)
        print(json.dumps({"tokens_per_second": SEQUENCES * tokens / (time.perf_counter() - started)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
