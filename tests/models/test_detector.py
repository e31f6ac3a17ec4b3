"""A checkpoint as a detector answers like the file that is exported from it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from runs import train_here

from fakedet.detector.detector import Detector
from fakedet.detector.image import decode, preprocess
from fakedet.errors import UserError
from fakedet.explain.gradcam import heatmaps
from fakedet.export.onnx_file import write_onnx
from fakedet.models import checkpoint, load_detector
from fakedet.models.detector import TorchScorer, detector_card

_SKIMAGE = Path(skimage.__file__).parent / "data"
PICTURES = [_SKIMAGE / name for name in ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg")]


@pytest.fixture(scope="module")
def run(make_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = make_folder(tmp_path_factory.mktemp("data") / "images", groups=20, size=40)
    return train_here(
        tmp_path_factory.mktemp("train") / "run", images, "model.model_name=test_resnet", "preprocess.size=96"
    )


@pytest.fixture(scope="module")
def exported(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    network, card = checkpoint.load(checkpoint.find(run))
    file = tmp_path_factory.mktemp("export") / "detector.onnx"
    write_onnx(network, detector_card(card), file)
    return file


def test_checkpoint_and_exported_file_answer_alike(run: Path, exported: Path) -> None:
    first, other = load_detector(run), Detector.load(exported, threads=1)
    assert first.card == other.card
    assert first.engine == "pytorch"
    for one, two in zip(first.predict(PICTURES, explain=True), other.predict(PICTURES, explain=True), strict=True):
        assert one.verdict == two.verdict
        assert one.probability == pytest.approx(two.probability, abs=1e-4)
        heat, other_heat = one.findings[0].heatmap, two.findings[0].heatmap
        assert heat is not None
        assert other_heat is not None
        assert np.abs(heat - other_heat).max() < 1e-3


def test_the_card_says_what_the_checkpoint_knows(run: Path) -> None:
    file = checkpoint.find(run)
    _, card = checkpoint.load(file)
    detector = load_detector(file)
    assert detector.card.model == "timm"
    assert (detector.card.protocol, detector.card.protocol_hash) == (card.protocol_name, card.protocol)
    assert detector.card.training == {"datasets": list(card.datasets), "images": card.images, "metrics": {}}
    assert detector.card.trained_on == card.trained_on.to_json()
    assert detector.card.decision == card.decision
    assert detector.sha256 is not None
    assert len(detector.sha256) == 64


def test_maps_are_grad_cams(run: Path) -> None:
    network, card = checkpoint.load(checkpoint.find(run))
    with torch.no_grad():
        for parameter in network.head.parameters():
            parameter.abs_()  # so that every feature speaks for fake
    expected = [
        heatmaps(network, torch.from_numpy(preprocess(decode(picture), card.preprocess))[None])[0].numpy()
        for picture in PICTURES
    ]
    detector = Detector(detector_card(card), TorchScorer(network), engine="pytorch")
    for result, wanted in zip(detector.predict(PICTURES, explain=True), expected, strict=True):
        heatmap = result.findings[0].heatmap
        assert heatmap is not None
        assert np.abs(heatmap - wanted).max() < 1e-4
        assert wanted.max() == pytest.approx(1)
        assert np.ptp(wanted) > 0.1


def test_several_threads_get_what_one_gets(run: Path) -> None:
    detector = load_detector(run)
    wanted = [detector.predict(picture, explain=True) for picture in PICTURES]
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda pair: detector.predict(pair[1], explain=pair[0] % 2 == 0), enumerate(PICTURES * 4))
        )
    for number, result in enumerate(found):
        expected = wanted[number % len(PICTURES)]
        assert result.probability == pytest.approx(expected.probability, abs=1e-6)
        if number % 2 == 0:
            heat, other = result.findings[0].heatmap, expected.findings[0].heatmap
            assert heat is not None
            assert other is not None
            assert np.allclose(heat, other, atol=1e-5)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no checkpoint"):
        load_detector(tmp_path / "none.ckpt")
    (tmp_path / "text.ckpt").write_text("nothing")
    with pytest.raises(UserError, match=r"is not a checkpoint, or is damaged|is refused"):
        load_detector(tmp_path / "text.ckpt")
