"""Devices of the contract as JAX names them, and arrays on their way in and out."""

import jax
import ml_dtypes
import numpy as np
from quire_worker.dtypes import Array, DTypeName, carrier
from quire_worker.errors import FrameworkMissingError, OutOfMemoryError
from quire_worker.tensor import Device

_PLATFORMS = {"cpu": "cpu", "cuda": "gpu", "tpu": "tpu"}


def jax_device(device: Device) -> jax.Device:
    """One of this process. Raises FrameworkMissingError if JAX has none such."""
    try:
        found = jax.local_devices(backend=_PLATFORMS.get(device.kind, device.kind))
    except RuntimeError as error:
        raise FrameworkMissingError(f"JAX {jax.__version__} has no device {device.kind}: {error}") from error
    at = 0 if device.kind == "cpu" else device.index
    if at >= len(found):
        raise FrameworkMissingError(f"JAX {jax.__version__} has {len(found)} devices {device.kind}, not one with the index {device.index}")
    return found[at]


def element_type(dtype: DTypeName) -> np.dtype:
    """NumPy's, with bfloat16 of ml_dtypes."""
    return np.dtype(ml_dtypes.bfloat16) if dtype == "bfloat16" else carrier(dtype)


def to_host(array: jax.Array, dtype: DTypeName) -> Array:
    """A copy; bfloat16 as its bits."""
    return np.array(array).view(carrier(dtype))


def from_host(data: Array, dtype: DTypeName) -> Array:
    """A view that JAX takes as `dtype`."""
    return np.ascontiguousarray(data).view(element_type(dtype)) if dtype == "bfloat16" else data


def out_of_memory(error: Exception, what: str) -> OutOfMemoryError | None:
    """The typed error, if that is what XLA failed with."""
    text = str(error)
    exhausted = isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text or "Out of memory" in text
    return OutOfMemoryError(f"{what} does not fit into memory: {text.splitlines()[0] if text else 'no room'}") if exhausted else None
