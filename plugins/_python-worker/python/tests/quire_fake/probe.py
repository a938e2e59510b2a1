"""The devices, without importing the framework."""

from quire_worker.tensor import Device


def devices() -> list[Device]:
    return [Device("cpu")]
