"""Writes the golden files of this folder with the PyPI package gguf (numpy only): python3 make.py

`<format>.bin` has four blocks and the values that gguf dequantises them to; `values.bin` has the values that
`<format>.quantised` are gguf's blocks of.
"""

from pathlib import Path

import gguf
import numpy as np

FOLDER = Path(__file__).parent
BLOCKS = 4
# Where a block has halves: random bytes would often be infinite there.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0],
}  # fmt: skip
WRITTEN = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"]

random = np.random.default_rng(7)
for name, halves in HALVES.items():
    kind = gguf.GGMLQuantizationType[name]
    _, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
    for at in halves:
        scales = random.normal(0, 0.05, BLOCKS).astype(np.float16)
        scales[0] = np.float16(3e-7)  # a subnormal half
        blocks[:, at : at + 2] = scales.reshape(-1, 1).view(np.uint8)
    values = gguf.dequantize(blocks, kind)
    (FOLDER / f"{name.lower()}.bin").write_bytes(blocks.tobytes() + values.astype("<f4").tobytes())

values = random.normal(0, 0.05, (8, 32)).astype(np.float32)
values[1] = 0
values[2, 5] = 9.5
values[3] = np.abs(values[3])
values[4] = -0.25
values[5] *= 1e-6
(FOLDER / "values.bin").write_bytes(values.astype("<f4").tobytes())
for name in WRITTEN:
    (FOLDER / f"{name.lower()}.quantised").write_bytes(gguf.quantize(values, gguf.GGMLQuantizationType[name]).tobytes())
