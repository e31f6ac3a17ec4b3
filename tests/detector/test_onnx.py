import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from shipped_files import changed

from fakedet.detector import shipped
from fakedet.detector.detector import Detector
from fakedet.detector.onnx import OnnxScorer
from fakedet.detector.scorer import ModelError
from fakedet.errors import UserError


def _inputs(count: int, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Noise over light grey: what the network of the fixture finds something suspicious in."""
    return np.random.default_rng(seed).normal(1.8, 0.4, (count, 3, 64, 64)).astype(np.float32)


@pytest.fixture(scope="module")
def scorer(detector_file: Path) -> OnnxScorer:
    return OnnxScorer(detector_file.read_bytes(), 64, threads=1)


def test_logits_and_maps_have_their_shapes(scorer: OnnxScorer) -> None:
    logits, maps = scorer(_inputs(5), True)
    assert logits.shape == (5,)
    assert logits.dtype == np.float64
    assert np.ptp(logits) > 0
    assert scorer.has_maps
    assert maps is not None
    assert maps.shape[0] == 5
    assert maps.ndim == 3
    assert maps.min() >= 0 < maps.max()
    assert scorer(_inputs(5), False)[1] is None


def test_a_batch_gives_what_its_pictures_give_alone(scorer: OnnxScorer) -> None:
    inputs = _inputs(9)
    alone = np.concatenate([scorer(inputs[[i]], False)[0] for i in range(9)])
    assert np.abs(scorer(inputs, False)[0] - alone).max() < 1e-5


@pytest.mark.parametrize("threads", [1, 2, None])
def test_several_callers_get_what_one_gets(threads: int | None, detector_file: Path) -> None:
    shared = OnnxScorer(detector_file.read_bytes(), 64, threads=threads)
    batches = [_inputs(1 + seed % 3, seed) for seed in range(24)]
    alone = [shared(batch, True) for batch in batches]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda batch: shared(batch, True), batches))
    for (logits, maps), (same_logits, same_maps) in zip(alone, together, strict=True):
        assert np.array_equal(logits, same_logits)
        assert maps is not None
        assert same_maps is not None
        assert np.array_equal(maps, same_maps)


def _renamed(old: str, new: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            node.input[:] = [new if name == old else name for name in node.input]
            node.output[:] = [new if name == old else name for name in node.output]
        for port in (*model.graph.input, *model.graph.output):
            port.name = new if port.name == old else port.name

    return change


def _fixed_batch(model: onnx.ModelProto) -> None:
    for port in (*model.graph.input, *model.graph.output):
        port.type.tensor_type.shape.dim[0].dim_value = 1


def _without_probability(model: onnx.ModelProto) -> None:
    del model.graph.output[[port.name for port in model.graph.output].index("probability")]


def _second_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("other", 1, [1]))


def _flat_map(model: onnx.ModelProto) -> None:
    (port,) = [port for port in model.graph.output if port.name == "map"]
    port.name = "flat"
    model.graph.node.append(helper.make_node("Flatten", ["map"], ["flat"]))
    _renamed("map", "deep")(model)
    _renamed("flat", "map")(model)
    del port.type.tensor_type.shape.dim[2]


def _unknown_operation(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Miracle", ["logit"], ["x"]))


def _not_connected(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = "nowhere"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (_renamed("image", "input"), "it has the inputs input instead of image alone"),
        (_second_input, "it has the inputs image, other instead of image alone"),
        (_fixed_batch, r"its input has the shape \[1, 3, 64, 64\] instead of any number × 3 × 64 × 64"),
        (_renamed("map", "heat"), "it has the outputs logit, probability, heat instead of logit, probability and"),
        (_without_probability, "it has the outputs logit, map instead of"),
        (_flat_map, r"its output map of the shape \[.*\] is not a detector's"),
        (_unknown_operation, r"cannot be used: ONNX Runtime .* cannot load it \(.*Miracle"),
        (_not_connected, r"cannot be used: ONNX Runtime .* cannot load it \("),
    ],
)
def test_a_network_that_does_not_fit_is_refused(
    change: Callable[[onnx.ModelProto], None], match: str, tmp_path: Path, detector_file: Path
) -> None:
    file = changed(detector_file, tmp_path / "other.onnx", change)
    with pytest.raises(UserError, match=match) as caught:
        Detector.load(file, threads=1)
    assert str(caught.value).startswith(f"{file} cannot be used: ")


def break_weights(value: float) -> Callable[[onnx.ModelProto], None]:
    """Put a value in place of a weight of the last layer."""

    def change(model: onnx.ModelProto) -> None:
        floats = [entry for entry in model.graph.initializer if entry.data_type == 1 and len(entry.dims) == 2]
        weights = onnx.numpy_helper.to_array(floats[-1]).copy()
        weights.flat[0] = value
        floats[-1].raw_data = weights.tobytes()

    return change


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("explain", [False, True])
def test_broken_weights_give_an_error_and_never_a_verdict(
    value: float, explain: bool, tmp_path: Path, detector_file: Path
) -> None:
    detector = Detector.load(changed(detector_file, tmp_path / "nan.onnx", break_weights(value)), threads=1)
    picture = np.full((64, 64, 3), 90, np.uint8)
    with pytest.raises(ModelError, match="not finite numbers: its weights are broken"):
        detector.predict(picture, explain=explain)
    with pytest.raises(ModelError):
        detector.predict([picture, picture])


def test_engines_and_threads_are_checked(detector_file: Path) -> None:
    with pytest.raises(UserError, match=r"engine='onnxrutime' \(did you mean onnxruntime\?\) is not one of"):
        Detector.load(detector_file, engine="onnxrutime")
    for threads in (0, -1, 1.5, True):
        with pytest.raises(UserError, match="is not a number of at least 1"):
            Detector.load(detector_file, threads=threads)  # type: ignore[arg-type]


def test_the_other_engine_answers_alike(detector_file: Path) -> None:
    pytest.importorskip("openvino", reason="is an extra")
    from fakedet.detector.openvino import OpenVinoScorer

    found = shipped.read(detector_file)
    first, other = OnnxScorer(found.data, 64, 1), OpenVinoScorer(found.data, 64, 1)
    inputs = _inputs(4)
    (logits, maps), (other_logits, other_maps) = first(inputs, True), other(inputs, True)
    assert np.abs(logits - other_logits).max() < 1e-4
    assert maps is not None
    assert other_maps is not None
    assert np.abs(maps - other_maps).max() < 1e-4 * maps.max()
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: other(inputs, False)[0], range(8)))
    assert all(np.array_equal(entry, other_logits) for entry in together)
    detector = Detector.load(detector_file, engine="openvino", threads=1)
    assert detector.engine == "openvino"


def test_an_engine_that_is_not_installed_is_named(detector_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UserError, match=r"pip install 'fake-image-detection\[openvino\]'"):
        Detector.load(detector_file, engine="openvino")
