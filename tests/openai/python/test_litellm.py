"""The package litellm, which speaks to the server as to any of OpenAI's kind."""

import litellm
import pytest

ASK = {
    "model": "openai/quire",
    "messages": [{"role": "user", "content": "Tell me a story."}],
    "temperature": 0,
    "max_tokens": 12,
    "api_key": "none",
    "num_retries": 0,
}


def test_a_chat_and_a_streamed_one_agree(base_url: str) -> None:
    whole = litellm.completion(**ASK, api_base=base_url)
    text = ""
    for chunk in litellm.completion(**ASK, api_base=base_url, stream=True):
        text += chunk.choices[0].delta.content or ""
    assert text == whole.choices[0].message.content
    assert whole.usage.completion_tokens == 12


def test_a_completion(base_url: str) -> None:
    reply = litellm.text_completion(
        model="text-completion-openai/quire",
        prompt="Once upon a time",
        max_tokens=6,
        api_base=base_url,
        api_key="none",
    )
    assert len(reply.choices[0].text) > 3


def test_errors_have_their_classes(base_url: str) -> None:
    with pytest.raises(litellm.NotFoundError):
        litellm.completion(**{**ASK, "model": "openai/gpt-none"}, api_base=base_url)
    with pytest.raises(litellm.BadRequestError):
        litellm.completion(**{**ASK, "temperature": -1}, api_base=base_url)
