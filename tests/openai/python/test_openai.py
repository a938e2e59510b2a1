"""The package openai: plain, streamed, cancelled in the middle, 64 at once, errors, structured output, embeddings' errors."""

import asyncio
import json

import openai
import pytest

MODEL = "quire"
MESSAGES = [{"role": "user", "content": "Tell me a story."}]
ASK = {"model": MODEL, "messages": MESSAGES, "temperature": 0, "max_tokens": 12}


@pytest.fixture
def client(base_url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=base_url, api_key="none", max_retries=0)


def test_a_chat_and_a_streamed_one_agree(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(**ASK)
    chunks = list(client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True}))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage
    assert whole.usage.completion_tokens == 12


def test_a_completion(client: openai.OpenAI) -> None:
    reply = client.completions.create(
        model=MODEL, prompt="Once upon a time", temperature=0, max_tokens=5, logprobs=2, echo=True
    )
    assert reply.choices[0].text.startswith("Once upon a time")
    assert len(reply.choices[0].logprobs.tokens) == len(reply.choices[0].logprobs.token_logprobs)


def test_json_by_a_schema(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "maximum": 99}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    reply = client.chat.completions.create(
        model=MODEL,
        messages=MESSAGES,
        max_tokens=200,
        response_format={"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}},
    )
    value = json.loads(reply.choices[0].message.content)
    assert set(value) == {"name", "age"} and isinstance(value["age"], int)


def test_leaving_a_stream_frees_it(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(**{**ASK, "max_tokens": 400}, stream=True)
    for count, _ in enumerate(stream):
        if count == 3:
            break
    stream.close()


def test_64_at_once(base_url: str) -> None:
    async def run() -> set[str]:
        async with openai.AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
            replies = await asyncio.gather(*(client.chat.completions.create(**ASK) for _ in range(64)))
        return {reply.choices[0].message.content for reply in replies}

    assert len(asyncio.run(run())) == 1


def test_errors_have_their_classes(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(**{**ASK, "model": "gpt-none"})
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as wrong:
        client.chat.completions.create(**{**ASK, "temperature": -1})
    assert wrong.value.param == "temperature"
