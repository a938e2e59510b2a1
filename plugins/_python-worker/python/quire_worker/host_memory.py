"""Memory of the machine, as Linux or macOS tells it: a CPU device has no other."""

import os
import re
import resource
import subprocess
import sys
from pathlib import Path


def host_memory() -> tuple[int, int]:
    """Free and total bytes: of the machine, or of the control group if that has less."""
    if sys.platform == "darwin":
        return _macos_memory()
    info = _meminfo()
    total, free = info.get("MemTotal", 0), info.get("MemAvailable", 0)
    limit, used = _number("/sys/fs/cgroup/memory.max"), _number("/sys/fs/cgroup/memory.current")
    if limit is not None and used is not None and 0 < limit < total:
        return min(free, max(0, limit - used)), limit
    return free, total


def peak_resident_bytes() -> int:
    for line in _lines("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    # Kilobytes, on macOS bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def reset_peak_resident_bytes() -> bool:
    """False where the system cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def vm_stat_bytes(statistics: str) -> int:
    """What can be had without swapping, out of what `vm_stat` prints; 0 where it does not say."""
    page = re.search(r"page size of (\d+) bytes", statistics)
    pages = re.findall(r"^Pages (?:free|speculative|inactive):\s+(\d+)\.", statistics, re.MULTILINE)
    return int(page[1]) * sum(map(int, pages)) if page else 0


def _macos_memory() -> tuple[int, int]:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    statistics = subprocess.run(["/usr/bin/vm_stat"], capture_output=True, text=True, check=True).stdout
    return vm_stat_bytes(statistics), total


def _meminfo() -> dict[str, int]:
    fields = (line.split() for line in _lines("/proc/meminfo"))
    return {parts[0].rstrip(":"): int(parts[1]) * 1024 for parts in fields if len(parts) > 1}


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _number(path: str) -> int | None:
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdigit() else None
