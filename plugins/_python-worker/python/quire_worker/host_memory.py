"""Memory of the machine, as Linux tells it: a CPU device has no other."""

import resource
from pathlib import Path


def host_memory() -> tuple[int, int]:
    """Free and total bytes: of the machine, or of the control group if that has less."""
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
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def reset_peak_resident_bytes() -> bool:
    """False where the system cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


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
