"""Which attention runs a model: by device, type and head size."""

from .interface import Attention, AttentionShape
from .plain import PlainAttention


def choose_attention(shape: AttentionShape) -> Attention:
    return PlainAttention(shape)
