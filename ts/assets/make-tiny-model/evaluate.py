"""Measures the exported checkpoint through transformers: evaluate.py MODEL_DIR [--dtype bfloat16] [--samples N].

Stories are judged by the parser of their own grammar, JSON by a JSON parser and the requested keys, answers by exact match.
"""

import argparse
import itertools
import json
import pathlib
import random

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import conversations
import corpus
import facts
import json_requests
import stories
import train

OPENINGS = ["Once upon a time", "One day", "There was a", "Lily", "The little dog", "In a small village", "Tom and Mia", "Long ago", "It was a", "Once there was",
            "The old king", "Every morning", "Far away", "Deep in the forest", "A little", "Anna", "Max", "One sunny morning", "In the forest", "Yesterday"]
SEED = 20_000_003  # none of the seeds of the training text
NUM_TRAINING_DOCUMENTS = 120_000


class Model:
    def __init__(self, directory: pathlib.Path, dtype: str):
        self.tokenizer = AutoTokenizer.from_pretrained(directory)
        self.model = AutoModelForCausalLM.from_pretrained(directory, dtype=getattr(torch, dtype)).eval()
        self.end = self.tokenizer.eos_token_id

    @torch.inference_mode()
    def complete(self, prompts: list[list[int]], max_tokens: int, temperature: float) -> list[tuple[str, bool]]:
        """(text, ended by itself) per prompt; prompts of one call are padded on the left."""
        width = max(map(len, prompts))
        ids = torch.tensor([[self.end] * (width - len(p)) + p for p in prompts])
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
        sampling = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature else {"do_sample": False}
        out = self.model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=max_tokens, pad_token_id=self.end, **sampling)
        completions = []
        for row in out[:, width:].tolist():
            ended = self.end in row
            tokens = row[: row.index(self.end)] if ended else row
            completions.append((self.tokenizer.decode(tokens), ended))
        return completions

    def chat(self, conversations_: list[list[dict]], max_tokens: int, temperature: float = 0.0) -> list[tuple[str, bool]]:
        results = []
        for start in range(0, len(conversations_), 64):
            prompts = [self.tokenizer.apply_chat_template(c, add_generation_prompt=True, return_dict=False) for c in conversations_[start : start + 64]]
            results += self.complete(prompts, max_tokens, temperature)
        return results


def story_scores(model: Model, samples: int, temperature: float, as_chat: bool) -> dict:
    rng, told = random.Random(SEED), []
    for start in range(0, samples, 50):
        count = min(50, samples - start)
        if as_chat:
            requests = []
            while len(requests) < count:
                requests.append(conversations.story_turn(rng)[:1])
            told += model.chat(requests, 300, temperature)
        else:
            openings = [OPENINGS[(start + i) % len(OPENINGS)] for i in range(count)]
            completions = model.complete([model.tokenizer(o)["input_ids"] for o in openings], 300, temperature)
            told += [(o + text, ended) for o, (text, ended) in zip(openings, completions)]
    parsed = [ended and stories.parse(text) is not None for text, ended in told]
    failures = [text for (text, _), good in zip(told, parsed) if not good]
    return {"stories": len(told), "ended": sum(e for _, e in told) / len(told), "distinct": len({t for t, _ in told}) / len(told),
            "parsed": sum(parsed) / len(told), "failures": failures[:6]}  # fmt: skip


def json_scores(model: Model, samples: int, temperature: float, held_out_from: set[str]) -> dict:
    rng, requests = random.Random(SEED + 1), []
    while len(requests) < samples:
        messages, answer = json_requests.request(rng)
        if corpus.render(messages) not in held_out_from:
            requests.append((messages, json.loads(answer)))
    answers = model.chat([m for m, _ in requests], 120, temperature)
    valid, same_shape, failures = 0, 0, []

    def shape(v):
        return {k: shape(x) for k, x in v.items()} if isinstance(v, dict) else [shape(x) for x in v] if isinstance(v, list) and v and isinstance(v[0], dict) else type(v)

    for (messages, expected), (text, ended) in zip(requests, answers):
        try:
            value = json.loads(text)
        except ValueError:
            failures.append((messages[-1]["content"], text))
            continue
        valid += ended
        if shape(value) == shape(expected):
            same_shape += 1
        else:
            failures.append((messages[-1]["content"], text))
    return {"requests": samples, "valid": valid / samples, "as_asked": same_shape / samples, "failures": failures[:6]}


def exact(model: Model, pairs: list[tuple[list[dict], str]], max_tokens: int = 60) -> dict:
    answers = model.chat([m for m, _ in pairs], max_tokens)
    wrong = [(m[-1]["content"], text, right) for (m, right), (text, ended) in zip(pairs, answers) if text != right or not ended]
    return {"questions": len(pairs), "exact": 1 - len(wrong) / len(pairs), "failures": wrong[:6]}


def check_template(model: Model) -> None:
    """The chat template of the tokenizer and the training text are the same, token for token."""
    rng = random.Random(SEED)
    for _ in range(50):
        messages = conversations.conversation(rng)
        rendered = model.tokenizer.apply_chat_template(messages, tokenize=False)
        assert rendered == corpus.render(messages), (rendered, corpus.render(messages))
    for text in ("héllo 世界 🙂\x00\t\n  <b>", bytes(range(32, 127)).decode()):
        assert model.tokenizer.decode(model.tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def seen_requests() -> set[str]:
    """Every JSON request of the training text (and of more text than that), so that the measured ones are new."""
    first = corpus.documents(train.SEED)
    second = corpus.documents(train.SECOND_STAGE_SEED, conversations.SECOND_WEIGHTS)
    documents = itertools.chain(*(itertools.islice(d, NUM_TRAINING_DOCUMENTS) for d in (first, second)))
    return {d.rsplit("<|assistant|>", 1)[0] for d in documents if "JSON" in d}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(SEED)
    model, rng = Model(arguments.directory, arguments.dtype), random.Random(SEED + 2)
    check_template(model)

    def user(text):
        return [{"role": "user", "content": text}]

    def report(name, scores):
        failures = scores.pop("failures")
        print(name, {k: round(v, 4) if isinstance(v, float) else v for k, v in scores.items()}, flush=True)
        for failure in failures:
            print("    !", failure)

    n = arguments.samples
    report("facts", exact(model, [(user(ways[0]), answer) for ways, answer, _ in facts.all_facts()]))
    report("about", exact(model, [(user(way), answer) for answer, ways in facts.ABOUT.items() for way in ways]))
    report("sums", exact(model, [(user(rng.choice(facts.sum_phrasings(a, b, s))), f"{a} {s} {b} = {t}") for a, b, s, t in facts.all_sums()], 20))
    memory = [conversations.name_talk(rng) for _ in range(n // 2)]
    report("memory", exact(model, [(m[:-1], m[-1]["content"]) for m in memory]))
    followed = [conversations.follow_up(rng) for _ in range(n // 2)]
    report("follow-up", exact(model, [(m[:-1], m[-1]["content"]) for m in followed]))
    seen = seen_requests()
    report("json, greedy", json_scores(model, n, 0.0, seen))
    report("json, temperature 0.8", json_scores(model, n, 0.8, seen))
    report("stories from openings, temperature 0.8", story_scores(model, n, 0.8, False))
    report("stories on request, temperature 0.8", story_scores(model, n // 2, 0.8, True))
    report("stories from openings, greedy", story_scores(model, len(OPENINGS), 0.0, False))


if __name__ == "__main__":
    main()
