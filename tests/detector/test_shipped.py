"""Shipped files that are not what they should be: each is refused in one sentence, and nothing in it is run."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from shipped_files import changed

from fakedet.detector import shipped
from fakedet.detector.detector import Detector
from fakedet.errors import UserError


def _one_sentence(error: UserError) -> None:
    text = str(error)
    assert text.endswith(".")
    assert "\n" not in text
    assert len(text) < 600


def _refused(file: Path, match: str) -> None:
    with pytest.raises(UserError, match=match) as caught:
        Detector.load(file, threads=1)
    _one_sentence(caught.value)


def test_a_shipped_file_is_read_with_its_digest_and_card(detector_file: Path) -> None:
    found = shipped.read(detector_file)
    assert found.data == detector_file.read_bytes()
    assert found.sha256 == hashlib.sha256(found.data).hexdigest()
    assert found.card.to_json() == json.loads(onnx.load(detector_file).metadata_props[0].value)
    assert shipped.read(detector_file, f" {found.sha256.upper()} ").sha256 == found.sha256


def test_missing_and_empty_files_and_folders_are_named(tmp_path: Path) -> None:
    _refused(tmp_path / "none.onnx", r"There is no file .*none\.onnx: write one with src/export\.py")
    _refused(tmp_path, "is a folder: name the .onnx file in it")
    (tmp_path / "empty.onnx").touch()
    _refused(tmp_path / "empty.onnx", "is empty")
    _refused(Path("a\0b"), "cannot be read|There is no file")


def test_another_digest_is_refused_before_anything_is_read(tmp_path: Path, detector_file: Path) -> None:
    with pytest.raises(UserError, match="is another file than the one asked for: its SHA-256 is"):
        shipped.read(detector_file, "0" * 64)
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(UserError, match="is another file"):
        Detector.load(tmp_path / "text.onnx", sha256="0" * 64)


def test_a_file_that_is_too_large_is_refused(detector_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "MAX_BYTES", 1000)
    _refused(detector_file, r"has [\d,]+ bytes, more than the 1,000 that an ONNX file may have")


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(share: float, tmp_path: Path, detector_file: Path) -> None:
    data = detector_file.read_bytes()
    (tmp_path / "cut.onnx").write_bytes(data[: int(share * len(data))])
    _refused(tmp_path / "cut.onnx", "is no ONNX file, or is truncated or damaged|has no card")


@pytest.mark.parametrize(
    "data",
    [b"no network at all", b"\x89PNG\r\n\x1a\n" + bytes(100), b"<html></html>", bytes(1000), b"\xff" * 1000, b"\x00"],
)
def test_other_kinds_of_file_are_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "other.onnx").write_bytes(data)
    _refused(tmp_path / "other.onnx", "is no ONNX file, or is truncated or damaged")


def test_a_checkpoint_is_told_what_to_do_with_it(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(3)}, tmp_path / "best.ckpt")
    _refused(tmp_path / "best.ckpt", r"is a checkpoint or an archive: make a detector of a checkpoint with src/export")


def test_another_programs_network_is_refused(tmp_path: Path, detector_file: Path) -> None:
    _refused(changed(detector_file, tmp_path / "a.onnx", lambda model: model.ClearField("metadata_props")), "no card")


def _external(model: onnx.ModelProto) -> None:
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    entry = weights.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def _external_constant(model: onnx.ModelProto) -> None:
    tensor = TensorProto(data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    model.graph.node.append(helper.make_node("Constant", [], ["elsewhere"], value=tensor))


def _custom(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("EPContext", ["logit"], ["x"], domain="com.microsoft"))


def _function(model: onnx.ModelProto) -> None:
    node = helper.make_node("Identity", ["a"], ["b"])
    model.functions.append(helper.make_function("own", "Same", ["a"], ["b"], [node], model.opset_import))


def _loop(model: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["", "true"], ["x"], body=body))


def _sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add()


def _second_card(model: onnx.ModelProto) -> None:
    model.metadata_props.append(model.metadata_props[0])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (_external, "is refused: it keeps weights in another file"),
        (_external_constant, "is refused: it keeps weights in another file"),
        (_custom, r"is refused: it needs the custom operation com\.microsoft\.EPContext"),
        (_function, "is refused: it defines operations of its own"),
        (_loop, r"is refused: it has loops or branches \(Loop\)"),
        (_sparse, "is refused: it holds sparse weights"),
        (_second_card, "is refused: it has two cards"),
    ],
)
def test_what_is_more_than_a_plain_network_is_refused(
    change: Callable[[onnx.ModelProto], None], match: str, tmp_path: Path, detector_file: Path
) -> None:
    _refused(changed(detector_file, tmp_path / "more.onnx", change), match)


def _with(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda card: {**card, **values}


def _in(part: str, **values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda card: {**card, part: {**card[part], **values}}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (_with(format=99), "the card has format 99, this version reads"),
        (_with(labels=["fake", "real"]), r"its card has labels \['fake', 'real'\] instead of \['real', 'fake'\]"),
        (_with(model=3), "model is not a text"),
        (_with(preprocess=[1]), "preprocess is no mapping"),
        (_with(decision="fake"), "decision='fake' is not a mapping"),
        (lambda card: [card], "the card is no mapping"),
        (lambda card: {name: value for name, value in card.items() if name != "licence"}, "the card lacks licence"),
        (_in("preprocess", size=10**9), "preprocess.size=1000000000 is not between"),
        (_in("preprocess", size="64"), "its card is damaged"),
        (_in("preprocess", size=64.0), "preprocess.size=64.0, which is not a whole number"),
        (
            _in("preprocess", size=96),
            r"its input has the shape \[None, 3, 64, 64\] instead of any number × 3 × 96 × 96",
        ),
        (_in("preprocess", colour="BGR"), "has no field colour"),
        (_in("preprocess", mean=[0.5, 0.5]), "preprocess.mean has 2 values"),
        (_in("preprocess", mean=[None] * 3), "its card is damaged"),
        (_in("preprocess", std=[float("nan")] * 3), r"its card is damaged \(NaN is no number\)"),
        (_in("preprocess", face={"finder": "mtcm"}), r"face.finder='mtcm' \(did you mean mtcnn\?\)"),
        (_with(trained_on={"file": 5}), "trained_on lacks"),
        (_in("trained_on", file=5), r"trained_on\.file is damaged"),
        (_in("training", datasets=5), r"training\.datasets is no list of names"),
        (_in("decision", threshold=7), "decision.threshold=7 is not a number"),
    ],
)
def test_a_card_that_is_wrong_is_refused_by_name(
    change: Callable[[dict[str, Any]], Any], match: str, tmp_path: Path, detector_file: Path
) -> None:
    def write(model: onnx.ModelProto) -> None:
        model.metadata_props[0].value = json.dumps(change(json.loads(model.metadata_props[0].value)))

    _refused(changed(detector_file, tmp_path / "card.onnx", write), match)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "null", '"' + "x" * 200_000 + '"', '{"format": 1e999}'])
def test_a_card_that_is_no_card_is_refused(text: str, tmp_path: Path, detector_file: Path) -> None:
    def write(model: onnx.ModelProto) -> None:
        model.metadata_props[0].value = text

    _refused(changed(detector_file, tmp_path / "card.onnx", write), "cannot be used: (its|the) card")


def test_a_card_that_is_too_large_is_not_parsed(
    tmp_path: Path, detector_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipped, "MAX_CARD", 100)
    _refused(detector_file, r"its card has [\d,]+ bytes, more than 100")


def test_damaged_bytes_are_refused_or_harmless(tmp_path: Path, detector_file: Path) -> None:
    data = np.frombuffer(detector_file.read_bytes(), np.uint8)
    rng, refused = np.random.default_rng(0), 0
    file = tmp_path / "damaged.onnx"
    for _ in range(150):
        damaged = data.copy()
        places = rng.integers(0, min(len(data), 20_000), 8)
        damaged[places] = rng.integers(0, 256, 8)
        file.write_bytes(damaged.tobytes())
        try:
            shipped.read(file)
        except UserError as error:
            _one_sentence(error)
            refused += 1
    assert refused > 20
