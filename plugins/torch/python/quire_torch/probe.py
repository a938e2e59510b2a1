"""Which devices this machine seems to have, without importing torch: that takes seconds."""

import importlib.util
import os
import platform
import re
from pathlib import Path

from quire_worker.tensor import Device


def devices() -> list[Device]:
    """The preferred one first; the CPU is always there."""
    found = [Device("cuda", index) for index in range(_visible("nvidia", "CUDA_VISIBLE_DEVICES"))]
    if importlib.util.find_spec("torch_npu") is not None:
        found += [Device("npu", index) for index in range(_visible("davinci", "ASCEND_RT_VISIBLE_DEVICES"))]
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        found.append(Device("metal"))
    return [*found, Device("cpu")]


def _visible(node: str, variable: str) -> int:
    """Devices of the nodes `/dev/<node>0`, ...; `variable` lists those that may be used."""
    directory = Path("/dev")
    present = sum(1 for path in directory.iterdir() if re.fullmatch(rf"{node}\d+", path.name)) if directory.is_dir() else 0
    listed = os.environ.get(variable)
    return present if listed is None else min(present, len([part for part in listed.split(",") if part.strip()]))
