"""The models that tests run: the repository's fixtures. Larger ones run through the engine."""

from pathlib import Path

from quire_worker.testing import golden_folders

REPOSITORY = Path(__file__).resolve().parents[4]
FIXTURES = golden_folders(REPOSITORY / "tests" / "fixtures")


def fixture(name: str) -> Path:
    return REPOSITORY / "tests" / "fixtures" / name
