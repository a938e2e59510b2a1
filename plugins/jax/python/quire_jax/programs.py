"""The compiled programs of a decoder, one per shape: caches go in, are changed in place, and come out."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from quire_worker.decoder_weights import Shard
from quire_worker.dtypes import Array

from .decoder import RANK_AXIS, Decoder, Step, Weights

HEAD_ROWS = (1, 16)
"""How many tokens of a prompt a head takes at once."""


class Programs:
    """Over one device, or over a mesh of one device per rank, where every array is this rank's part of a larger one."""

    def __init__(self, decoder: Decoder, shard: Shard, *, eager: bool) -> None:
        self._world_size = shard.world_size
        self._mesh = Mesh(np.array(jax.devices()), (RANK_AXIS,)) if shard.world_size > 1 else None
        own, whole = PartitionSpec(RANK_AXIS), PartitionSpec()

        def decode(weights: Weights, caches: jax.Array, *step: jax.Array) -> tuple[jax.Array, jax.Array]:
            hidden, written = decoder.hidden(weights, caches, Step(*step))
            return decoder.logits(weights, hidden[:, 0]), written

        def prefill(weights: Weights, caches: jax.Array, *step: jax.Array) -> tuple[jax.Array, jax.Array]:
            hidden, written = decoder.hidden(weights, caches, Step(*step))
            return hidden[0], written

        def head(weights: Weights, hidden: jax.Array, wanted: jax.Array) -> jax.Array:
            return decoder.logits(weights, hidden[wanted])

        step_inputs = (own, own, whole, whole, whole, whole)
        self._decode = self._program(decode, step_inputs, (whole, own), eager, donated=1)
        self._prefill = self._program(prefill, step_inputs, (whole, own), eager, donated=1)
        self._head = self._program(head, (own, whole, whole), whole, eager)

    def decode(self, weights: Weights, caches: jax.Array, step: Sequence[Array]) -> tuple[Array, jax.Array]:
        """Logits `[rows, vocab_size]` of rows with one token each."""
        logits, written = self._decode(weights, self.shared(caches), *step)
        return np.asarray(self._local(logits)), self._local(written)

    def prefill(self, weights: Weights, caches: jax.Array, step: Sequence[Array]) -> tuple[jax.Array, jax.Array]:
        """The last hidden states `[tokens, hidden]` of one row, for `head`."""
        hidden, written = self._prefill(weights, self.shared(caches), *step)
        return hidden, self._local(written)

    def head(self, weights: Weights, hidden: jax.Array, wanted: Array) -> Array:
        """Logits `[wanted, vocab_size]`."""
        return np.asarray(self._local(self._head(weights, hidden, wanted)))

    def shared(self, array: jax.Array) -> jax.Array:
        """This rank's part of an array that all ranks hold together."""
        if self._mesh is None:
            return array
        shape = (self._world_size * array.shape[0], *array.shape[1:])
        return jax.make_array_from_single_device_arrays(shape, NamedSharding(self._mesh, PartitionSpec(RANK_AXIS)), [array])

    def _program(self, function: Callable[..., Any], inputs: tuple[Any, ...], outputs: Any, eager: bool, donated: int | None = None) -> Callable[..., Any]:
        if self._mesh is not None:
            function = jax.shard_map(function, mesh=self._mesh, in_specs=inputs, out_specs=outputs, check_vma=False)
        if eager and self._mesh is None:
            return jax.disable_jit()(function)
        return jax.jit(function, donate_argnums=() if donated is None else (donated,))

    def _local(self, array: jax.Array) -> jax.Array:
        return array if self._mesh is None else array.addressable_data(0)
