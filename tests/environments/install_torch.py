"""Installs PyTorch for tests on CPUs into the environment that runs this: install_torch.py REQUIREMENTS

PyTorch's own index has builds for CPUs. Where it is out of reach, the package index's build for Linux is one for CUDA that drags
in 4 GB of libraries, which need only be loadable: it is installed alone, with stand-ins (300 KB) for them beside it. Every
call of theirs answers "no device", so `torch.cuda.is_available()` is False. For tests; people install PyTorch as it tells them.
"""

import collections
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PIP = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
LIBRARY = re.compile(r"NEEDED.*\[(lib(?:cu|nv|nccl)[^\]]*)\]")
NEEDS_OF_LIBRARY = re.compile(r"File: (lib(?:cu|nv|nccl)\S+).*?\n((?:.*Name: .*\n)+)")
FOREIGN = re.compile(r"_*(cu|nv|nccl|Nv)")
NO_DEVICE = 100
SILENT = ("cudaGetLastError", "cudaPeekAtLastError")

Symbols = dict[str, dict[str, list[str]]]
"""Names by library, then by version."""


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def symbol_lines(which: str, library: str) -> list[list[str]]:
    return [line.split() for line in output("nm", "-D", which, library).splitlines()]


def find_missing(libraries: list[str], system: list[str]) -> tuple[set[str], Symbols]:
    """Libraries that are needed and absent, and what is called in them."""
    defined = {parts[-1].split("@")[0] for library in [*libraries, *system] for parts in symbol_lines("--defined-only", library)}
    names: set[str] = set()
    provider: dict[str, str] = {}
    calls: dict[str, str] = {}
    for library in libraries:
        names |= set(LIBRARY.findall(output("readelf", "-d", library)))
        for needed, versions in NEEDS_OF_LIBRARY.findall(output("readelf", "-V", library)):
            provider |= dict.fromkeys(re.findall(r"Name: (\S+)", versions), needed)
        for *_, kind, symbol in symbol_lines("--undefined-only", library):
            name, _, version = symbol.partition("@")
            if kind not in ("w", "v") and name not in defined and FOREIGN.match(name):
                calls[name] = version.lstrip("@")
    runtime = next((name for name in sorted(names) if name.startswith("libcudart.")), "libcudart.so")
    symbols: Symbols = collections.defaultdict(lambda: collections.defaultdict(list))
    for name, version in calls.items():
        symbols[provider.get(version, runtime)][version].append(name)
    return names - {"libcuda.so.1"}, symbols


def definition(name: str) -> str:
    if name.startswith("__cudaRegisterFatBinary") and not name.endswith("End"):
        return f"void **{name}(void *x) {{ return dummy; }}"
    if name.endswith(("GetErrorString", "GetErrorName")):
        return f'const char *{name}(int e) {{ return "no CUDA here"; }}'
    return f"int {name}() {{ return {0 if name.startswith('__cuda') or name in SILENT else NO_DEVICE}; }}"


def make_stand_ins(folder: Path) -> None:
    """Into the folder of PyTorch's own libraries, where they look for what they need."""
    libraries = sorted(str(path) for path in folder.glob("*.so*"))
    linked = output("ldd", str(folder / "libtorch_cpu.so")).splitlines()
    system = [line.split("=>")[1].split()[0] for line in linked if "=> /" in line] + ["/lib64/ld-linux-x86-64.so.2"]
    names, symbols = find_missing(libraries, system)
    source, versions_file = folder / "stand_in.c", folder / "stand_in.map"
    for library in sorted(names):
        by_version = symbols.get(library, {})
        calls = [name for named in by_version.values() for name in named]
        source.write_text("\n".join(["static void *dummy[64];", *map(definition, calls)]))
        versions = [f"{version} {{ global: {'; '.join(named)}; }};" for version, named in by_version.items() if version]
        versions_file.write_text("\n".join(versions))
        script = [f"-Wl,--version-script={versions_file}"] if versions else []
        flags = ["-w", "-O1", "-fno-builtin", "-shared", "-fPIC", f"-Wl,-soname,{library}"]
        subprocess.run(["cc", *flags, "-o", str(folder / library), str(source), *script], check=True)
    source.unlink(missing_ok=True)
    versions_file.unlink(missing_ok=True)


def can_import() -> bool:
    return subprocess.run([sys.executable, "-c", "import torch"], capture_output=True, check=False).returncode == 0


def install(requirements: Path) -> None:
    lines = [line for line in requirements.read_text().splitlines() if line and not line.startswith("#")]
    [torch] = [line for line in lines if re.match(r"torch\b", line)]
    subprocess.run([*PIP, *(line for line in lines if line != torch)], check=True)
    from_cpu_index = ["--retries", "0", "--timeout", "15", "--index-url", CPU_INDEX]
    if subprocess.run([*PIP, "--no-deps", *from_cpu_index, torch], capture_output=True, check=False).returncode != 0:
        subprocess.run([*PIP, "--no-deps", torch], check=True)
    if not can_import():
        make_stand_ins(Path(sysconfig.get_paths()["purelib"]) / "torch" / "lib")
    subprocess.run([sys.executable, "-c", "import torch"], check=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    install(Path(sys.argv[1]))
