"""int8: what is rounded and what is not, the mean of the logit, and equal bytes."""

import numpy as np
import onnx
import pytest
from export_room import SIDE, Exported

from fakedet.errors import UserError
from fakedet.export import quantise as room
from fakedet.export.onnx_file import serialise
from fakedet.export.quantise import quantise
from fakedet.export.session import Session

CROPS = np.random.default_rng(2).normal(0, 1, (6, 3, SIDE, SIDE)).astype(np.float32)


@pytest.fixture(scope="module")
def int8(exported: Exported) -> onnx.ModelProto:
    return quantise(exported.model, CROPS)


def test_layers_are_in_eight_bits_but_for_stem_and_head(exported: Exported, int8: onnx.ModelProto) -> None:
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in int8.graph.initializer}
    makers = {output: node for node in int8.graph.node for output in node.output}
    convolutions = [node for node in int8.graph.node if node.op_type == "Conv"]
    rounded = [node for node in convolutions if node.input[1] in makers]
    assert 0 < len(rounded) < len(convolutions)
    assert convolutions[0] not in rounded
    for node in rounded:
        values = weights[makers[node.input[1]].input[0]]
        assert values.dtype == np.int8
        assert np.abs(values.astype(int)).max() <= 64  # seven bits: no sum overflows anywhere
        assert weights[makers[node.input[1]].input[1]].shape == (len(values),), "a scale for each channel"
    (head,) = [node for node in int8.graph.node if node.op_type == "Gemm"]
    assert weights[head.input[1]].dtype == np.float32
    assert len(serialise(int8)) < len(serialise(exported.model))


def test_it_answers_much_like_fp32_and_the_same_on_average(exported: Exported, int8: onnx.ModelProto) -> None:
    before, after = (Session(serialise(model), 1).run(CROPS) for model in (exported.model, int8))
    assert list(after) == list(before)
    assert np.corrcoef(before["logit"], after["logit"])[0, 1] > 0.9
    assert np.abs(before["logit"] - after["logit"]).max() > 0
    assert after["logit"].mean() == pytest.approx(before["logit"].mean(), abs=2e-3)
    wanted = exported.card.decision.probability(after["logit"])
    np.testing.assert_allclose(after["probability"], wanted, atol=1e-6)
    assert after["map"].shape == before["map"].shape


def test_bytes_are_the_same_again(exported: Exported, int8: onnx.ModelProto) -> None:
    given = serialise(exported.model)
    assert serialise(quantise(exported.model, CROPS)) == serialise(int8)
    assert serialise(exported.model) == given
    assert not int8.metadata_props
    assert b"/tmp" not in serialise(int8)


def test_what_onnx_runtime_cannot_do_is_one_sentence(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"quantize=int8: ONNX Runtime cannot quantise this network \(") as refused:
        quantise(exported.model, CROPS[:, :, :32])  # of another size
    assert "\n" not in str(refused.value)
    monkeypatch.setattr(room, "_TYPES", ["LSTM"])
    with pytest.raises(UserError, match="no layers that could be in int8"):
        quantise(exported.model, CROPS)
