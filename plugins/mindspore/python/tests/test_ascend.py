"""Attention on Ascend, as far as a machine without one can tell: signatures, types, layouts, masks and phases, through whole decoders."""

import inspect
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from ascend_double import CALLS, DOUBLES
from mindspore import nn
from models import fixture
from quire_worker.decoder_config import read_config
from quire_worker.decoder_weights import Shard
from quire_worker.dtypes import DTypeName
from quire_worker.errors import InvalidArgumentError, ModelUnsupportedError, NotSupportedError
from quire_worker.framework import Framework, Rank
from quire_worker.runner import BatchLimits, Target
from quire_worker.tensor import Device, Storage, Tensor
from quire_worker.testing import PagedModel, Row

from quire_mindspore import environment, worker
from quire_mindspore.attention.ascend import AscendAttention, AscendOperators
from quire_mindspore.attention.interface import AttentionConfig
from quire_mindspore.runner import MindSporeRunner
from quire_mindspore.step import Step

MODELS = ["llama_head_dim", "qwen3", "gpt2", "opt", "qwen2", "starcoder2_no_bias"]


def attention_config(folder: Path, dtype: DTypeName = "float16", block_size: int = 16) -> AttentionConfig:
    config = read_config(folder)
    return AttentionConfig(config, Shard.of(config, Rank()), dtype, block_size)


def test_the_package_has_the_operators_with_these_signatures() -> None:
    operators: Any = AscendOperators()

    def names(call: Any) -> list[str]:
        return list(inspect.signature(call).parameters)[1:]

    written = names(operators.reshape_and_cache.__call__)
    assert written == ["key", "value", "key_cache", "value_cache", "slot_mapping"]
    flash = names(operators.flash_attention_score.__call__)
    assert flash == ["query", "key", "value", "real_shift", "drop_mask", "padding_mask", "attn_mask", "prefix", "actual_seq_qlen", "actual_seq_kvlen"]
    paged = names(operators.paged_attention.__call__)
    assert paged[:9] == ["query", "key_cache", "value_cache", "block_tables", "context_lens", "antiquant_scale", "antiquant_offset", "attn_mask", "q_seq_lens"]
    assert names(operators.paged_attention.__init__)[:3] == ["head_num", "scale_value", "kv_head_num"]
    operators.flash_attention_score(4, scale_value=0.5, pre_tokens=2147483647, next_tokens=2147483647, input_layout="TH")
    operators.paged_attention(4, 0.5, 2)


@pytest.mark.parametrize("name", MODELS)
def test_ragged_batches_give_the_logits_of_plain_attention(framework: Framework, name: str) -> None:
    folder = fixture(name)
    target = Target(Device("cpu"), "float16", Rank(), 16, None, eager=True)
    doubled = PagedModel(framework, MindSporeRunner(framework, target, lambda config: AscendAttention(config, DOUBLES)), folder, max_model_len=48)
    plain = PagedModel(framework, worker.create_runner(framework, target), folder, max_model_len=48)
    random = np.random.default_rng(7)
    CALLS.clear()
    lengths = [0] * 4
    tables = [[9, 4, 30], [1, 17, 2], [3, 12, 5], [40, 8, 22]]
    for step in range(5):
        rows = []
        for index in range(4):
            if step in (0, 3) or random.random() < 0.8:
                count = 1 if step == 3 else int(random.integers(1, 9))
                ids = random.integers(0, plain.loaded.config.vocab_size, count).tolist()
                rows.append(Row(ids, lengths[index], tables[index]))
                lengths[index] += count
        found, expected = doubled.step(rows), plain.step(rows)
        np.testing.assert_allclose(found, expected, atol=0.02 * max(1, float(np.abs(expected).max())))
    layers = plain.loaded.config.num_layers
    assert CALLS["FlashAttentionScore"] >= layers and CALLS["decode"] >= layers and CALLS["chunk"] >= layers
    assert CALLS["ReshapeAndCache"] == CALLS["FlashAttentionScore"] + CALLS["PagedAttention"]
    assert not any(framework.read(layer)[:, 0].any() for layer in doubled.cache)
    doubled.close()
    plain.close()


@pytest.mark.parametrize(("dtype", "hidden"), [("float16", -10000.0), ("bfloat16", 1.0)])
def test_masks_phases_and_inputs(framework: Framework, dtype: DTypeName, hidden: float) -> None:
    attention = AscendAttention(attention_config(fixture("llama_head_dim"), dtype))
    kind = ms.float16 if dtype == "float16" else ms.bfloat16
    (fresh,) = attention.calls(Step.dummy([5, 1], 0, 16))
    (chunk,) = attention.calls(Step.dummy([5, 1], 130, 16))
    (decode,) = attention.calls(Step.dummy([1, 1], 130, 16))
    assert [call.phase for call in (fresh, chunk, decode)] == ["prefill", "decode", "decode"]
    for call in (fresh, chunk, decode):
        placeholders = attention.placeholders(call.phase)
        assert len(placeholders) == len(call.inputs)
        for placeholder, given in zip(placeholders, call.inputs, strict=True):
            assert placeholder.dtype == given.dtype
            assert all(size in (-1, found) for size, found in zip(placeholder.shape, given.shape, strict=True))
        assert call.inputs[-1].dtype == kind
    mask = fresh.inputs[-1].float().asnumpy()
    assert mask.shape == (128, 128) and mask[0, 1] == pytest.approx(hidden, rel=0.01) and not np.tril(mask).any()
    rows = chunk.inputs[-1].float().asnumpy()
    assert rows.shape == (6, 256) and (rows[0, :131] == 0).all() and (rows[0, 131:] < -9000).all()
    assert decode.inputs[-1].shape == (1, 1)


def test_what_the_operators_cannot_do_is_refused(framework: Framework) -> None:
    with pytest.raises(InvalidArgumentError, match="multiple of 16"):
        AscendAttention(attention_config(fixture("llama_head_dim"), block_size=24))
    with pytest.raises(ModelUnsupportedError, match="multiple of 16 elements"):
        AscendAttention(attention_config(fixture("mistral_head_dim")))
    windowed = AscendAttention(attention_config(fixture("mistral_window")))
    assert windowed.activation_bytes(BatchLimits(4, 64, 8, 4, 16)) > 0
    with pytest.raises(ModelUnsupportedError, match="sliding window"):
        windowed.activation_bytes(BatchLimits(4, 64, 9, 4, 16))
    layer = Tensor(Storage(None, 4096, "float16", Device("cpu")), (2, 2, 16, 2, 16), (4096, 1024, 32, 16, 1))
    with pytest.raises(NotSupportedError, match="strides"):
        AscendAttention(attention_config(fixture("llama_head_dim"))).bind([layer])


class OneLayer(nn.Cell):
    def __init__(self, attention: AscendAttention, caches: list[ms.Parameter], phase: str) -> None:
        super().__init__(auto_prefix=False)
        self.cell = attention.cell(phase, 0)  # type: ignore[arg-type]
        self.key_cache, self.value_cache = caches

    def construct(self, heads: ms.Tensor, *inputs: ms.Tensor) -> ms.Tensor:
        return self.cell(heads, self.key_cache, self.value_cache, *inputs)


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_graphs_are_sound_until_a_kernel_is_looked_for(framework: Framework, phase: str) -> None:
    """MindSpore infers types and shapes of the real operators on any machine; what it lacks here is only their kernels."""
    config = attention_config(fixture("llama_head_dim"))
    attention = AscendAttention(config)
    shape = (4, 16, config.num_kv_heads, config.head_dim)
    caches = [ms.Parameter(ms.Tensor(np.zeros(shape, np.float16)), name=name, requires_grad=False) for name in ("k", "v")]
    layer = OneLayer(attention, caches, phase)
    heads = config.num_heads + 2 * config.num_kv_heads
    layer.set_inputs(ms.Tensor(shape=[None, heads, config.head_dim], dtype=ms.float16), *attention.placeholders(phase))  # type: ignore[arg-type]
    (call,) = attention.calls(Step.dummy([3, 2], 0 if phase == "prefill" else 4, 16))
    with pytest.raises(RuntimeError) as failure:
        ms.jit(layer)(ms.Tensor(np.zeros((5, heads, config.head_dim), np.float16)), *call.inputs).asnumpy()
    assert "Unsupported op [ReshapeAndCache] on CPU" in str(failure.value)


def test_environment_on_ascend() -> None:
    given = {"HCCL_EXEC_TIMEOUT": "60"}
    environment.prepare(Device("npu", 3), Rank(1, 4, "tcp://127.0.0.1:4567"), given)
    assert given["HCCL_EXEC_TIMEOUT"] == "60" and given["HCCL_OP_EXPANSION_MODE"] == "AIV"
    assert (given["MS_ROLE"], given["MS_NODE_ID"], given["MS_WORKER_NUM"], given["DEVICE_ID"]) == ("MS_WORKER", "1", "4", "3")
    assert (given["MS_SCHED_HOST"], given["MS_SCHED_PORT"]) == ("127.0.0.1", "4567")
    with pytest.raises(InvalidArgumentError, match="rendezvous"):
        environment.prepare(Device("cpu"), Rank(0, 2, "file:///rendezvous"), {})
