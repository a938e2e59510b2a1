"""The models that tests run: the repository's fixtures, and the folder of shared models where it is."""

import json
import os
from pathlib import Path

from quire_worker.decoder_config import ARCHITECTURES

REPOSITORY = Path(__file__).resolve().parents[4]
_SHARED = Path(os.environ.get("QUIRE_SHARED") or REPOSITORY.parent / "shared") / "models"


def _runs(folder: Path) -> bool:
    files = (folder / "config.json", folder / "golden.json")
    if not all(file.is_file() for file in files) or not any(folder.glob("*.safetensors")):
        return False
    return json.loads(files[0].read_text())["architectures"][0] in ARCHITECTURES


FIXTURES = sorted(folder for folder in (REPOSITORY / "tests" / "fixtures").iterdir() if _runs(folder))
SHARED = sorted(folder for folder in _SHARED.iterdir() if _runs(folder)) if _SHARED.is_dir() else []
WITHOUT_SHARED = "the folder of shared models is not here (QUIRE_SHARED names it)"


def fixture(name: str) -> Path:
    return REPOSITORY / "tests" / "fixtures" / name
