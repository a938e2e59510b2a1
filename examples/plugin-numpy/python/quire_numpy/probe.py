"""Which devices there are. Runs in a short process of its own and does not import the framework."""

from quire_worker.tensor import Device


def devices() -> list[Device]:
    """The preferred device first; none means that the framework cannot run here."""
    return [Device("cpu")]
