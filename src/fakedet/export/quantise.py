"""fp32 to int8: weights and activations in eight bits, with scales taken from real pictures."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from fakedet.detector.onnx import INPUT, LOGIT, OnnxScorer
from fakedet.errors import UserError
from fakedet.export.onnx_file import serialise, strip

CALIBRATION_CROPS = 128
_TYPES = ["Conv", "MatMul", "Gemm", "Add", "Clip", "Relu", "MaxPool"]
_WEIGHTED = ("Conv", "MatMul", "Gemm")
# The first layers see few channels of many pixels: they are the most sensitive to rounding, and cost little.
_STEM_SHARE = 0.075
_SHIFT_DIGITS = 3  # rounding differs by processor in digits beyond these; the file's bytes do not then

Crops = NDArray[np.float32]


def quantise(model: onnx.ModelProto, crops: Crops) -> onnx.ModelProto:
    """The same detector with int8 layers between its stem and its head, which stay in fp32.

    Post-training quantisation with a scale for each channel of the weights and one for each activation, from its
    lowest and highest value (Krishnamoorthi, "Quantizing deep convolutional networks for efficient inference",
    2018; Jacob et al., CVPR 2018). Weights use seven bits, so that no sum overflows on processors without
    eight-bit dot products: verdicts are the same there. The mean error of the logit is then taken off
    (Nagel et al., "Data-free quantization through weight equalization and bias correction", ICCV 2019), so that
    threshold and calibration keep their meaning.

    Args:
        model: as `onnx_file.to_model` gives it; stays as it is.
        crops: normalised validation pictures, (n, 3, S, S).

    Returns:
        A model without a card.

    Raises:
        UserError: for a network that ONNX Runtime cannot quantise.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        try:
            quant_pre_process(model, source, skip_optimization=True, skip_symbolic_shape=True)
            quantize_static(
                source,
                target,
                _Reader(crops),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=_TYPES,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=spared(onnx.load(source).graph),
            )
        except Exception as error:  # of any kind: operations that it does not know
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"quantize=int8: ONNX Runtime cannot quantise this network ({reason}).") from error
        found = onnx.load(target)
    if not any(node.op_type == "QuantizeLinear" for node in found.graph.node):
        raise UserError("quantize=int8: this network has no layers that could be in int8; ship it as fp32.")
    strip(found)
    size = crops.shape[-1]
    _shift_logit(found, _mean_logit(model, crops, size) - _mean_logit(found, crops, size))
    return found


class _Reader(CalibrationDataReader):
    """Hands the crops out one by one."""

    def __init__(self, crops: Crops) -> None:
        self._crops: Iterator[Crops] = iter(crops)

    def get_next(self) -> dict[str, Crops] | None:
        crop = next(self._crops, None)
        return None if crop is None else {INPUT: crop[None]}


def spared(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes that stay in fp32: the stem, and the head with all that is made of features.

    The stem is as many of the first convolutions as cost at most 7.5 % of all multiplications. The head is the
    last layer with weights before the logit; what follows it in the graph is made of the logit or is the map.

    Args:
        graph: in topological order, with inferred shapes.
    """
    stem, left = [], _STEM_SHARE * sum(_multiplications(graph).values())
    for name, cost in _multiplications(graph).items():
        left -= cost
        if left < 0:
            break
        stem.append(name)
    head = max(_before_logit(graph))
    return [*stem, *(node.name for node in graph.node[head:])]


def _before_logit(graph: onnx.GraphProto) -> list[int]:
    """Numbers of the nodes with weights that the logit depends on."""
    weights = {tensor.name for tensor in graph.initializer}
    wanted, found = {LOGIT}, []
    for number in reversed(range(len(graph.node))):
        node = graph.node[number]
        if wanted.intersection(node.output):
            wanted.update(node.input)
            if node.op_type in _WEIGHTED and weights.intersection(node.input):
                found.append(number)
    return found


def _multiplications(graph: onnx.GraphProto) -> dict[str, int]:
    """Convolution -> multiplications for one picture, in the graph's order."""
    weights = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    shapes = {value.name: [side.dim_value for side in value.type.tensor_type.shape.dim] for value in graph.value_info}
    return {
        node.name: int(np.prod(weights[node.input[1]]) * np.prod(shapes[node.output[0]][2:]))
        for node in graph.node
        if node.op_type == "Conv" and node.input[1] in weights and node.output[0] in shapes
    }


def _mean_logit(model: onnx.ModelProto, crops: Crops, size: int) -> float:
    scorer = OnnxScorer(serialise(model), size)
    return float(np.mean([scorer(crop[None], False)[0] for crop in crops]))


def _shift_logit(model: onnx.ModelProto, shift: float) -> None:
    """Add a constant to the logit, before anything is made of it."""
    graph = model.graph
    number, node = next((index, node) for index, node in enumerate(graph.node) if LOGIT in node.output)
    raw = f"{LOGIT}_before_shift"
    node.output[list(node.output).index(LOGIT)] = raw
    constant = np.array(round(shift, _SHIFT_DIGITS), np.float32)
    graph.initializer.append(onnx.numpy_helper.from_array(constant, f"{LOGIT}_shift"))
    added: Any = onnx.helper.make_node("Add", [raw, f"{LOGIT}_shift"], [LOGIT], name="node_shift_logit")
    graph.node.insert(number + 1, added)
