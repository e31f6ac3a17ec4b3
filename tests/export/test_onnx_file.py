"""What stands in the file, what it computes, and that its bytes depend on the network and the card alone."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from export_room import KNOTS, SIDE, Exported

from fakedet.detector.card import DetectorCard
from fakedet.detector.decision import Calibration
from fakedet.errors import UserError
from fakedet.export import onnx_file
from fakedet.export.graph import ShippedGraph
from fakedet.export.onnx_file import save, serialise, to_model
from fakedet.export.session import Session


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(5).normal(0, 1, (count, 3, SIDE, SIDE)).astype(np.float32)


@pytest.mark.parametrize("count", [1, 3, 17])
def test_the_file_answers_as_the_network_for_any_number_of_pictures(exported: Exported, count: int) -> None:
    found = Session(serialise(exported.model), 1).run(pictures(count))
    with torch.inference_mode():
        logits = exported.network(torch.from_numpy(pictures(count))).numpy()
    assert list(found) == ["logit", "probability", "map"]
    np.testing.assert_allclose(found["logit"], logits, atol=1e-4)
    wanted = exported.card.decision.probability(found["logit"])
    np.testing.assert_allclose(found["probability"], wanted, atol=1e-6)
    assert found["map"].shape == (count, 2, 2)
    assert found["map"].min() >= 0


def test_what_is_no_number_stays_none(exported: Exported) -> None:
    images = pictures(2)
    images[1, 0, 0, 0] = np.nan
    found = Session(serialise(exported.model), 1).run(images)
    assert np.isnan(found["probability"]).tolist() == [False, True]


CALIBRATIONS = [
    Calibration(),
    Calibration("temperature", 0.3),
    Calibration("temperature", 7.0),
    Calibration("isotonic", knots=KNOTS),
    Calibration("isotonic", knots=((0.5, 0.25),)),
]


@pytest.mark.parametrize("calibration", CALIBRATIONS, ids=lambda value: f"{value.method} {len(value.knots)}")
def test_the_probability_is_the_decisions(calibration: Calibration, exported: Exported) -> None:
    graph = ShippedGraph(exported.network, calibration, SIDE)
    knots = [place for place, _ in KNOTS]
    logits = np.array([-1e30, -90, -5, *knots, -0.35, 0.05, 0.3, 1.1, 5, 90, 1e30, -np.inf, np.inf], np.float32)
    found = graph.calibrate(torch.from_numpy(logits)).numpy()
    np.testing.assert_allclose(found, calibration(logits.astype(np.float64)), rtol=0, atol=1e-6)
    assert found.dtype == np.float32
    assert graph.calibrate(torch.tensor([torch.nan])).isnan().all()


def test_the_card_is_the_only_thing_that_is_said_beside_the_network(exported: Exported) -> None:
    (entry,) = exported.model.metadata_props
    assert entry.key == "fakedet"
    assert json.loads(entry.value) == exported.card.to_json()
    assert DetectorCard.from_json(json.loads(entry.value)) == exported.card
    assert entry.value == json.dumps(json.loads(entry.value), sort_keys=True, ensure_ascii=False)
    for part in [exported.model, exported.model.graph, *exported.model.graph.node, *exported.model.graph.input]:
        assert part.doc_string == ""
    assert not any(node.metadata_props for node in exported.model.graph.node)
    data = serialise(exported.model)
    for word in (b".py", b"site-packages", b"stack_trace", str(Path.cwd()).encode(), str(Path.home()).encode() + b"/"):
        assert word not in data


def test_the_file_is_valid_and_its_batch_is_free(exported: Exported) -> None:
    onnx.checker.check_model(exported.model, full_check=True)
    assert [opset.version for opset in exported.model.opset_import if opset.domain == ""] == [onnx_file.OPSET]
    shape = exported.model.graph.input[0].type.tensor_type.shape.dim
    assert [side.dim_param or side.dim_value for side in shape] == ["batch", 3, SIDE, SIDE]


AGAIN = """
import sys
from pathlib import Path
from export_room import KNOTS, make_card, random_network
from fakedet.detector.decision import Calibration
from fakedet.export.onnx_file import write_onnx
card = make_card(Calibration("isotonic", knots=KNOTS))
write_onnx(random_network("timm", model_name="test_resnet"), card, Path("again.onnx"))
"""


def test_bytes_are_the_same_in_another_process_and_folder(exported: Exported, tmp_path: Path) -> None:
    tests = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": tests, "PYTHONHASHSEED": "12", "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", AGAIN], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "again.onnx").read_bytes() == serialise(exported.model)


def test_the_network_stays_as_it_was(exported: Exported) -> None:
    assert exported.network.cam_layer is not None
    assert not exported.network.cam_layer._forward_hooks
    assert next(exported.network.parameters()).dtype == torch.float32


def test_what_cannot_be_written_is_one_sentence_and_leaves_nothing(
    exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken.onnx").mkdir()
    with pytest.raises(UserError, match=r"taken\.onnx cannot be written \(is a directory\)"):
        save(exported.model, tmp_path / "taken.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["taken.onnx"]
    monkeypatch.setattr(onnx_file, "_MOST_BYTES", 1000)
    with pytest.raises(UserError, match="GB of weights"):
        to_model(exported.network, exported.card)


def test_a_network_that_onnx_cannot_express_is_refused_in_one_sentence(exported: Exported) -> None:
    class Bessel(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.special.bessel_j0(images.mean(dim=(1, 2, 3)))[:, None]

    network = type(exported.network)(Bessel(), stages=[], head=[], cam_layer=None).eval()
    network.name = "bessel"
    with pytest.raises(UserError, match=r"bessel \{\} cannot be written as ONNX") as refused:
        to_model(network, replace(exported.card, model="bessel"))
    assert "\n" not in str(refused.value)
