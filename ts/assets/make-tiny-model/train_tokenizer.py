"""Trains the byte-level BPE tokenizer on generated text and writes it in Hugging Face's layout: train_tokenizer.py OUT_DIR."""

import itertools
import json
import pathlib
import sys

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

import corpus

VOCAB_SIZE, NUM_DOCUMENTS, SEED = 2048, 30_000, 7


def train() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCAB_SIZE, special_tokens=corpus.SPECIAL_TOKENS, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))  # fmt: skip
    documents = itertools.islice(corpus.documents(SEED), NUM_DOCUMENTS)

    def plain(text: str) -> str:
        for token in corpus.SPECIAL_TOKENS:
            text = text.replace(token, "\n")
        return text

    tokenizer.train_from_iterator((plain(d) for d in documents), trainer)
    begin = corpus.SPECIAL_TOKENS.index(corpus.BEGIN)
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single=f"{corpus.BEGIN} $A", pair=f"{corpus.BEGIN} $A {corpus.BEGIN} $B", special_tokens=[(corpus.BEGIN, begin)]),
    ])  # fmt: skip
    return tokenizer


def write(out: pathlib.Path) -> None:
    tokenizer = train()
    tokenizer.save(str(out / "tokenizer.json"), pretty=False)
    specials = {"bos_token": corpus.BEGIN, "eos_token": corpus.END, "pad_token": corpus.END}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast", **specials, "add_bos_token": True, "clean_up_tokenization_spaces": False,
        "model_max_length": 512, "model_input_names": ["input_ids", "attention_mask"], "chat_template": corpus.CHAT_TEMPLATE,
        "added_tokens_decoder": {
            str(i): {"content": t, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
            for i, t in enumerate(corpus.SPECIAL_TOKENS)
        },
    }  # fmt: skip
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (out / "special_tokens_map.json").write_text(json.dumps(specials, indent=2) + "\n")


if __name__ == "__main__":
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    write(directory)
