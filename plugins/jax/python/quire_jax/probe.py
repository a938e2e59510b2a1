"""Which devices this machine seems to have, without importing jax: that takes seconds."""

import importlib.util
import os
import re
from pathlib import Path

from quire_worker.tensor import Device

_CUDA_PLUGINS = ("jax_cuda13_plugin", "jax_cuda12_plugin")


def devices() -> list[Device]:
    """The preferred one first; the CPU is always there."""
    found = []
    if importlib.util.find_spec("libtpu") is not None:
        found += [Device("tpu", index) for index in range(_nodes("accel"))]
    if any(importlib.util.find_spec(name) is not None for name in _CUDA_PLUGINS):
        listed = os.environ.get("CUDA_VISIBLE_DEVICES")
        present = _nodes("nvidia")
        count = present if listed is None else min(present, len([part for part in listed.split(",") if part.strip()]))
        found += [Device("cuda", index) for index in range(count)]
    return [*found, Device("cpu")]


def _nodes(name: str) -> int:
    """Nodes `/dev/<name>0`, ..."""
    directory = Path("/dev")
    return sum(1 for path in directory.iterdir() if re.fullmatch(rf"{name}\d+", path.name)) if directory.is_dir() else 0
