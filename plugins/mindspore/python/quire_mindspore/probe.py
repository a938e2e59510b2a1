"""The devices that MindSpore could use, found without importing it."""

import os
import re

from quire_worker.tensor import Device


def devices(device_directory: str = "/dev") -> list[Device]:
    """Ascend devices that this process may see, in order, then the CPU."""
    return [*(Device("npu", index) for index in range(_num_ascend(device_directory))), Device("cpu")]


def _num_ascend(device_directory: str) -> int:
    try:
        names = os.listdir(device_directory)
    except OSError:
        return 0
    present = {int(match.group(1)) for name in names if (match := re.fullmatch(r"davinci(\d+)", name))}
    if "davinci_manager" not in names:
        return 0
    visible = os.environ.get("ASCEND_RT_VISIBLE_DEVICES")
    if visible is None:
        return len(present)
    return sum(1 for part in visible.split(",") if part.strip().isdigit() and int(part) in present)
