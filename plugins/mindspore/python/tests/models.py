"""The models that tests run: the repository's fixtures, and the folder of shared models where it is."""

import os
from pathlib import Path

from quire_worker.testing import golden_folders

REPOSITORY = Path(__file__).resolve().parents[4]
FIXTURES = golden_folders(REPOSITORY / "tests" / "fixtures")
SHARED = golden_folders(Path(os.environ.get("QUIRE_SHARED") or REPOSITORY.parent / "shared") / "models")
WITHOUT_SHARED = "the folder of shared models is not here (QUIRE_SHARED names it)"


def fixture(name: str) -> Path:
    return REPOSITORY / "tests" / "fixtures" / name
