"""The devices that the installed PyTorch could use, found without importing it."""

import importlib.util
import os
import platform
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from quire_worker.tensor import Device


def devices(device_directory: str = "/dev", environment: Mapping[str, str] = os.environ) -> list[Device]:
    """Accelerators that are there and that this build drives, then the CPU."""
    build = _build()
    found: list[Device] = []
    if build.get("cuda"):
        found += _numbered("cuda", r"nvidia(\d+)", device_directory, environment.get("CUDA_VISIBLE_DEVICES"))
    elif build.get("hip"):
        visible = environment.get("HIP_VISIBLE_DEVICES", environment.get("ROCR_VISIBLE_DEVICES"))
        found += _numbered("cuda", r"renderD(\d+)", f"{device_directory}/dri", visible) if Path(device_directory, "kfd").exists() else []
    if importlib.util.find_spec("torch_npu") is not None:
        found += _numbered("npu", r"davinci(\d+)", device_directory, environment.get("ASCEND_RT_VISIBLE_DEVICES"))
    if sys.platform == "darwin" and platform.machine() == "arm64":
        found.append(Device("metal"))
    return [*found, Device("cpu")]


def _build() -> dict[str, str]:
    """What PyTorch was built for, by the names of torch/version.py."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return {}
    try:
        text = Path(spec.origin).with_name("version.py").read_text()
    except OSError:
        return {}
    return dict(re.findall(r"^(cuda|hip)\b[^=\n]*=\s*['\"]([^'\"]+)['\"]", text, re.MULTILINE))


def _numbered(kind: str, pattern: str, directory: str, visible: str | None) -> list[Device]:
    """Devices count from 0 among those that `visible` lets through."""
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    count = sum(1 for name in names if re.fullmatch(pattern, name))
    if visible is not None:
        wanted = [part.strip() for part in visible.split(",")]
        # A list ends at its first entry that names no device.
        named = next((index for index, part in enumerate(wanted) if not part or part.startswith("-")), len(wanted))
        count = min(count, named)
    return [Device(kind, index) for index in range(count)]
