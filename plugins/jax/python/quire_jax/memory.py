"""What a storage of JAX holds: a flat array, its own or one row of an array that layers share. Arrays never change: new ones are bound."""

from collections.abc import Sequence

import jax
from quire_worker.tensor import Storage


class Stack:
    """Several memories as rows of one array, `[memories, elements]`, that a program takes and gives whole."""

    def __init__(self, array: jax.Array) -> None:
        self.array = array


class Memory:
    def __init__(self, array: jax.Array) -> None:
        self._array: jax.Array | None = array
        self._row: tuple[Stack, int] | None = None

    @property
    def array(self) -> jax.Array:
        """`[elements]`"""
        if self._row is not None:
            stack, index = self._row
            return stack.array[index]
        if self._array is None:
            raise RuntimeError("This is a bug: memory that was given up")
        return self._array

    @array.setter
    def array(self, array: jax.Array) -> None:
        if self._row is None:
            self._array = array
            return
        stack, index = self._row
        stack.array = stack.array.at[index].set(array)

    def release(self) -> None:
        """Gives the array up, for a row in its place."""
        self._array = None

    def move_to(self, stack: Stack, index: int) -> None:
        self._array, self._row = None, (stack, index)


def memory(storage: Storage) -> Memory:
    """The memory of a storage that `JaxFramework.allocate` made."""
    if not isinstance(storage.data, Memory):
        raise TypeError("This is a bug: a storage of another framework")
    return storage.data


def stack_zeroed(storages: Sequence[Storage]) -> Stack:
    """Makes zeroed storages of one size rows of one array; there is never room for both."""
    memories = [memory(storage) for storage in storages]
    first = memories[0].array
    shape, dtype, device = first.shape, first.dtype, first.device
    del first
    for each in memories:
        each.release()
    stack = Stack(jax.numpy.zeros((len(memories), *shape), dtype, device=device))
    for index, each in enumerate(memories):
        each.move_to(stack, index)
    return stack
