"""Rotary positions: cosines and sines of positions, as transformers computes them (frequencies and angles in float32)."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .config_fields import Fields
from .errors import ModelUnsupportedError

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class RopeConfig:
    """How positions turn into angles. `kind` is default, linear, dynamic, llama3 or yarn; `parameters` are those of that kind."""

    theta: float
    rotated: int
    """Elements of each head that are rotated; even."""
    trained_length: int
    kind: str
    parameters: dict[str, Any]

    @staticmethod
    def read(fields: Fields, head_dim: int, max_positions: int) -> "RopeConfig":
        scaling = fields.mapping("rope_scaling") or fields.mapping("rope_parameters") or {}
        inner = Fields(scaling)
        kind = inner.text("rope_type", inner.text("type", "default"))
        if kind not in ("default", "linear", "dynamic", "llama3", "yarn"):
            raise ModelUnsupportedError(f"config.json: rope_type {kind!r} is not supported (default, linear, dynamic, llama3, yarn are)")
        theta = inner.number("rope_theta", fields.number("rope_theta", 10_000.0))
        trained = fields.count("original_max_position_embeddings", inner.count("original_max_position_embeddings", max_positions))
        return RopeConfig(theta, head_dim, trained if kind in ("llama3", "yarn") else max_positions, kind, scaling)

    def table(self, num_positions: int) -> tuple[Floats, Floats]:
        """Cosines and sines of positions 0 up to `num_positions`, each `[num_positions, rotated / 2]`."""
        fields, plain = Fields(self.parameters), _frequencies(self.theta, self.rotated)
        positions = np.arange(num_positions, dtype=np.float32)
        magnitude = 1.0
        if self.kind == "linear":
            plain = plain / np.float32(fields.positive("factor"))
        elif self.kind == "llama3":
            plain = self._llama3(plain, fields)
        elif self.kind == "yarn":
            plain, magnitude = self._yarn(plain, fields), _yarn_magnitude(fields)
        angles = positions[:, None] * plain[None, :]
        if self.kind == "dynamic":
            # By position alone, so that a token's angles never depend on when they were computed.
            factor = fields.positive("factor")
            for position in range(self.trained_length, num_positions):
                growth = factor * (position + 1) / self.trained_length - (factor - 1)
                base = self.theta * growth ** (self.rotated / (self.rotated - 2))
                angles[position] = np.float32(position) * _frequencies(base, self.rotated)
        return np.cos(angles) * np.float32(magnitude), np.sin(angles) * np.float32(magnitude)

    def _llama3(self, plain: Floats, fields: Fields) -> Floats:
        factor, low, high = (fields.positive(name) for name in ("factor", "low_freq_factor", "high_freq_factor"))
        frequency = plain.astype(np.float64)
        wavelength = 2 * math.pi / frequency
        kept = (self.trained_length / wavelength - low) / (high - low)
        blended = (1 - kept) * frequency / factor + kept * frequency
        long, short = wavelength > self.trained_length / low, wavelength < self.trained_length / high
        return np.where(long, frequency / factor, np.where(short, frequency, blended)).astype(np.float32)

    def _yarn(self, plain: Floats, fields: Fields) -> Floats:
        factor, fast, slow = fields.positive("factor"), fields.number("beta_fast", 32.0), fields.number("beta_slow", 1.0)

        def dimension_of(rotations: float) -> float:
            return self.rotated * math.log(self.trained_length / (rotations * 2 * math.pi)) / (2 * math.log(self.theta))

        low, high = dimension_of(fast), dimension_of(slow)
        if fields.flag("truncate", True):
            low, high = math.floor(low), math.ceil(high)
        low, high = max(low, 0.0), min(high, self.rotated - 1.0)
        if low == high:
            high += 0.001  # a ramp of no length would divide by zero
        stretched = np.clip((np.arange(self.rotated // 2) - low) / (high - low), 0, 1)
        frequency = plain.astype(np.float64)
        mixed: Floats = (frequency / factor * stretched + frequency * (1 - stretched)).astype(np.float32)
        return mixed


def _frequencies(theta: float, rotated: int) -> Floats:
    exponents = np.arange(0, rotated, 2).astype(np.float32) / np.float32(rotated)
    frequencies: Floats = (np.float32(1) / np.power(theta, exponents.astype(np.float64)).astype(np.float32)).astype(np.float32)
    return frequencies


def _yarn_magnitude(fields: Fields) -> float:
    factor = fields.positive("factor")

    def magnitude(weight: float) -> float:
        return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1.0

    above, below = fields.number("mscale", 0.0), fields.number("mscale_all_dim", 0.0)
    computed = magnitude(above) / magnitude(below) if above and below else magnitude(1.0)
    return fields.number("attention_factor", computed)
