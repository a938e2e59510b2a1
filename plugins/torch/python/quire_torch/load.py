"""Brings a checkpoint's weights to the device, layer by layer."""

import re
from pathlib import Path

import numpy as np
import torch
from quire_worker.checkpoint import Checkpoint
from quire_worker.decoder_config import DecoderConfig
from quire_worker.decoder_weights import Shard, Weight, load_weights
from quire_worker.runner import Progress

from .decoder import Decoder, Weights
from .process_group import ProcessGroup

_LAYER = re.compile(r"layers\.(\d+)\.(.+)")


def load_decoder(
    path: Path, config: DecoderConfig, shard: Shard, group: ProcessGroup | None, dtype: torch.dtype, device: torch.device, progress: Progress
) -> Decoder:
    """Raises ModelInvalidError."""
    decoder = Decoder(config, shard, group)
    outer: Weights = {}
    layer: Weights = {}
    current = 0
    for weight in load_weights(config, Checkpoint(path), shard):
        match = _LAYER.fullmatch(weight.name)
        if match is None:
            outer[weight.name] = _tensor(weight, dtype, device)
            continue
        if int(match.group(1)) != current:
            decoder.add_layer(layer)
            layer, current = {}, int(match.group(1))
            progress(current / config.num_layers)
        layer[match.group(2)] = _tensor(weight, dtype, device)
    decoder.add_layer(layer)
    decoder.add_outer(outer)
    progress(1)
    return decoder


def _tensor(weight: Weight, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    owned = np.array(weight.data, order="C")
    stored = torch.from_numpy(owned.view(np.int16)).view(torch.bfloat16) if weight.dtype == "bfloat16" else torch.from_numpy(owned)
    return stored.to(device, dtype)
