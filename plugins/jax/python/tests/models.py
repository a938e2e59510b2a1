"""The models that tests run: the repository's fixtures. Larger ones run through the engine."""

import json
from pathlib import Path

from quire_worker.decoder_config import ARCHITECTURES

REPOSITORY = Path(__file__).resolve().parents[4]


def _runs(folder: Path) -> bool:
    files = (folder / "config.json", folder / "golden.json")
    if not all(file.is_file() for file in files) or not any(folder.glob("*.safetensors")):
        return False
    return json.loads(files[0].read_text())["architectures"][0] in ARCHITECTURES


FIXTURES = sorted(folder for folder in (REPOSITORY / "tests" / "fixtures").iterdir() if _runs(folder))


def fixture(name: str) -> Path:
    return REPOSITORY / "tests" / "fixtures" / name
