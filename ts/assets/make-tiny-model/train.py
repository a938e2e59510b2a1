"""Trains the tiny model on the CPU: train.py TOKENIZER_DIR OUT_DIR [--steps N] [--resume CHECKPOINT | --second-stage FINAL].

Warm-up, a constant rate, then a linear decay: a run can be resumed before its decay and made longer without a change of course.
A second stage starts from trained weights at a lower rate that falls to zero, with more of what is hard to learn.
Hidden matrices are trained by Muon (https://kellerjordan.github.io/posts/muon), the embedding and the norms by Adam.
"""

import argparse
import itertools
import pathlib
import random
import time

import torch
from tokenizers import Tokenizer
from torch.nn import functional as F

import conversations
import corpus
from model import ModelConfig, TinyLlama

MODEL = ModelConfig(hidden_size=256, intermediate_size=704, num_hidden_layers=4, num_attention_heads=8, num_key_value_heads=4)
ROW_TOKENS, ROWS = 512, 10
SEED = 11
MUON_RATE, ADAM_RATE, WARMUP_STEPS, DECAY_SHARE = 0.02, 4e-3, 40, 0.35
SECOND_STAGE_SEED, SECOND_STAGE_RATE = 12, 0.6
# What the user asks is context more than it is something to learn to write.
USER_WEIGHT = 0.2
IGNORED = -100


class Packer:
    """Packs whole documents into rows of ROW_TOKENS + 1 ids, so that no story loses its beginning or its end."""

    def __init__(self, tokenizer: Tokenizer, documents, num_documents_to_skip: int = 0):
        self.tokenizer = tokenizer
        self.stream = itertools.islice(documents, num_documents_to_skip, None)
        self.num_documents = num_documents_to_skip
        self.pool: list[list[int]] = []
        self.rng = random.Random(SEED + num_documents_to_skip)
        self.end = tokenizer.token_to_id(corpus.END)
        self.user, self.system = (tokenizer.token_to_id(t) for t in ("<|user|>", "<|system|>"))

    def refill(self) -> None:
        documents = list(itertools.islice(self.stream, 256))
        self.num_documents += len(documents)
        encoded = self.tokenizer.encode_batch(documents, add_special_tokens=False)
        self.pool += [e.ids for e in encoded if len(e.ids) <= ROW_TOKENS + 1]
        self.pool.sort(key=len)

    def row(self) -> list[int]:
        if len(self.pool) < 128:
            self.refill()
        chosen, room = [self.pool.pop(self.rng.randrange(len(self.pool)))], ROW_TOKENS + 1
        room -= len(chosen[0])
        while self.pool and len(self.pool[0]) <= room:
            fitting = [i for i in range(len(self.pool)) if len(self.pool[i]) <= room]
            # Draw fairly while there is room, then take the longest that fits.
            index = self.rng.choice(fitting) if room > 200 else fitting[-1]
            chosen.append(self.pool.pop(index))
            room -= len(chosen[-1])
        self.rng.shuffle(chosen)
        return [token for document in chosen for token in document] + [IGNORED] * room

    def weights(self, row: list[int]) -> list[float]:
        """Per target token: less for what the user or the system says."""
        weights, asking = [], False
        for token in row:
            if token in (self.user, self.system):
                asking = True
            weights.append(0.0 if token == IGNORED else USER_WEIGHT if asking else 1.0)
            if token == self.end:
                asking = False
        return weights

    def batch(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        rows = [self.row() for _ in range(ROWS)]
        ids = torch.tensor(rows)
        weights = torch.tensor([self.weights(r) for r in rows])
        ids = ids.where(ids != IGNORED, self.end)
        return ids[:, :-1].contiguous(), ids[:, 1:].contiguous(), weights[:, 1:].contiguous()  # each [ROWS, ROW_TOKENS]


def orthogonalize(update: torch.Tensor, num_iterations: int = 5) -> torch.Tensor:
    """The nearest matrix with orthonormal rows or columns, by Newton-Schulz iterations."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = update.bfloat16()
    transposed = x.shape[0] > x.shape[1]
    if transposed:
        x = x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(num_iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if transposed else x).float()


class Muon(torch.optim.Optimizer):
    def __init__(self, parameters, lr: float, momentum: float = 0.95):
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                buffer = self.state[p].setdefault("buffer", torch.zeros_like(p))
                buffer.lerp_(p.grad, 1 - group["momentum"])
                update = orthogonalize(p.grad.lerp(buffer, group["momentum"]))
                p.mul_(1 - 0.01 * group["lr"])
                p.add_(update, alpha=-group["lr"] * max(1.0, p.shape[0] / p.shape[1]) ** 0.5)


def rate_factor(step: int, num_steps: int, second_stage: bool) -> float:
    if second_stage:
        return SECOND_STAGE_RATE * min(1.0, (step + 1) / WARMUP_STEPS) * (1 - step / num_steps)
    decay_steps = int(num_steps * DECAY_SHARE)
    return min(1.0, (step + 1) / WARMUP_STEPS, (num_steps - step) / decay_steps)


def train(tokenizer_dir: pathlib.Path, out: pathlib.Path, num_steps: int, resume: pathlib.Path | None, second_stage: pathlib.Path | None) -> None:
    torch.manual_seed(SEED)
    model = TinyLlama(MODEL)
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    optimizers = [Muon(matrices, MUON_RATE), torch.optim.AdamW(others, ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0)]
    rates = [MUON_RATE, ADAM_RATE]
    first_step, num_documents = 0, 0
    if resume:
        saved = torch.load(resume)
        model.load_state_dict(saved["model"])
        for optimizer, state in zip(optimizers, saved["optimizers"]):
            optimizer.load_state_dict(state)
        first_step, num_documents = saved["step"], saved["num_documents"]
    documents = corpus.documents(SEED)
    if second_stage:
        model.load_state_dict(torch.load(second_stage, weights_only=False)["model"])
        documents = corpus.documents(SECOND_STAGE_SEED, conversations.SECOND_WEIGHTS)
    packer = Packer(Tokenizer.from_file(str(tokenizer_dir / "tokenizer.json")), documents, num_documents)
    decay_begins = num_steps - int(num_steps * DECAY_SHARE)

    started, mean_loss = time.time(), None
    for step in range(first_step, num_steps):
        if not second_stage and (step == decay_begins or (step % 250 == 0 and first_step < step < decay_begins)):
            state = {"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers], "step": step, "num_documents": packer.num_documents}
            torch.save(state, out / "before-decay.pt")
        ids, targets, weights = packer.batch()
        with torch.autocast("cpu", torch.bfloat16):
            logits = model.logits(model(ids))  # [ROWS, ROW_TOKENS, vocab]
        losses = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none")
        loss = (losses * weights.flatten()).sum() / weights.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        for optimizer, rate in zip(optimizers, rates):
            for group in optimizer.param_groups:
                group["lr"] = rate * rate_factor(step, num_steps, second_stage is not None)
            optimizer.step()
        model.zero_grad(set_to_none=True)
        mean_loss = loss.item() if mean_loss is None else 0.95 * mean_loss + 0.05 * loss.item()
        if step % 20 == 0 or step == num_steps - 1:
            seconds = (time.time() - started) / (step - first_step + 1)
            print(f"step {step}/{num_steps} loss {mean_loss:.4f} {seconds:.2f} s/step", flush=True)
    torch.save({"model": model.state_dict(), "steps": num_steps, "config": MODEL}, out / "final.pt")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokenizer_dir", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=1100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resume", type=pathlib.Path)
    parser.add_argument("--second-stage", type=pathlib.Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    train(arguments.tokenizer_dir, arguments.out, arguments.steps, arguments.resume, arguments.second_stage)
