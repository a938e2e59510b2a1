"""Where the server is that the tests talk to: QUIRE_BASE_URL, which ends in /v1."""

import os

import pytest


@pytest.fixture
def base_url() -> str:
    return os.environ["QUIRE_BASE_URL"]
