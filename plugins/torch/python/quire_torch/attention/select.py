"""Which attention runs a model: by device, type, head and block size."""

import importlib.util

import torch

from . import ascend, cuda_flash
from .interface import Attention, AttentionShape
from .plain import PlainAttention


def choose_attention(shape: AttentionShape) -> Attention:
    """The fastest that can; the plain one runs anywhere."""
    if shape.device.type == "cuda" and importlib.util.find_spec("triton") is not None:
        return _on_cuda(shape)
    if shape.device.type == "npu" and ascend.refusal(shape) is None:
        import torch_npu

        return ascend.AscendAttention(shape, torch_npu)
    return PlainAttention(shape)


def _on_cuda(shape: AttentionShape) -> Attention:
    from .triton_paged import TritonAttention, rotate_and_write

    attend = cuda_flash.find_operator()
    capability = torch.cuda.get_device_capability(shape.device)
    if attend is None or cuda_flash.refusal(shape, attend, capability) is not None:
        return TritonAttention(shape)
    return cuda_flash.FlashAttention(shape, attend, rotate_and_write)
