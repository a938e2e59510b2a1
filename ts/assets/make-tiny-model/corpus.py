"""The training text: stories and chats in the proportion that the model learns from, as strings with the special tokens."""

import collections.abc
import random

import conversations
import stories

BEGIN, END = "<|begin|>", "<|end|>"
SPECIAL_TOKENS = [BEGIN, END, "<|system|>", "<|user|>", "<|assistant|>"]
# Chats are short, stories long: with 0.32 about half of all tokens are plain stories.
STORY_SHARE = 0.32
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] | trim + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def render(messages: list[dict]) -> str:
    """The same as CHAT_TEMPLATE; the evaluation compares the two."""
    return BEGIN + "".join(f"<|{m['role']}|>{m['content'].strip()}{END}" for m in messages)


def documents(seed: int, chat_weights: dict[str, int] = conversations.FIRST_WEIGHTS) -> collections.abc.Iterator[str]:
    """An endless, reproducible stream of documents."""
    rng = random.Random(seed)
    while True:
        if rng.random() < STORY_SHARE:
            yield BEGIN + stories.tell(rng).text + END
        else:
            yield render(conversations.conversation(rng, chat_weights))
