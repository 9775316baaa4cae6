"""What the benchmarks ran on: every table says it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_LIBRARIES = ("ctranslate2", "faster-whisper", "onnxruntime", "numpy", "voicemed")


def describe() -> str:
    """Processor, cores, memory, system, and the versions that matter; one or two lines."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    machine = f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}"
    libraries = ", ".join(f"{name} {_version(name)}" for name in _LIBRARIES)
    return (
        f"{machine}; load before the run {load:.1f}\n"
        f"Python {platform.python_version()}, {libraries}"
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
