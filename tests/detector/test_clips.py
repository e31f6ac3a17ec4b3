"""Videos judged: faces followed, the most suspicious one decides, and nothing is lost in silence."""

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import matplotlib
import numpy as np
import pytest
import skimage
from numpy.typing import NDArray
from shipped_files import with_card

from fakedet.detector.decision import Decision
from fakedet.detector.detector import Detector
from fakedet.detector.image import decode
from fakedet.detector.video import Sampling, inspect, read_at

Picture = NDArray[np.uint8]
_SKIMAGE = Path(skimage.__file__).parent / "data"
HEIGHT, WIDTH = 240, 432


def _face(file: Path, rows: slice, columns: slice) -> Picture:
    return np.asarray(cv2.resize(decode(file)[rows, columns], (130, 130), interpolation=cv2.INTER_AREA), np.uint8)


ASTRONAUT = _face(_SKIMAGE / "astronaut.png", slice(20, 230), slice(120, 330))
ADMIRAL = _face(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg", slice(60, 400), slice(100, 440))


def _frame(faces: Sequence[tuple[Picture, int]]) -> Picture:
    picture = np.full((HEIGHT, WIDTH, 3), 110, np.uint8)
    for face, left in faces:
        picture[50:180, left : left + 130] = face
    return picture


def _film(path: Path, frames: Sequence[Picture]) -> Path:
    """Ten frames a second."""
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("libx264", rate=10, options={"crf": "12", "preset": "ultrafast", "g": "5"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for picture in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The astronaut moves to the right in all of 20 frames, the admiral stands there in the last 12 of them."""
    frames = [_frame([(ASTRONAUT, 5 + 2 * n), *([(ADMIRAL, 280)] if n >= 8 else [])]) for n in range(20)]
    return _film(tmp_path_factory.mktemp("film") / "two.mp4", frames)


def test_each_face_is_followed_and_the_most_suspicious_decides(
    two: Path, face_detector: Callable[..., Detector]
) -> None:
    detector = face_detector()
    result = detector.predict_video(two, sampling=Sampling(count=10))
    seconds = inspect(two).seconds
    assert (result.name, result.status, result.width, result.height) == ("two.mp4", "scored", WIDTH, HEIGHT)
    assert [second for second, _ in result.frames] == seconds[1::2].tolist()
    assert result.seconds == seconds[-1]
    assert sorted(len(track.frames) for track in result.tracks) == [6, 10]
    assert {track.track for track in result.tracks} == {1, 2}
    first, second = result.tracks
    assert first.probability >= second.probability
    assert (result.probability, result.verdict) == (first.probability, first.verdict)
    assert result.uncalibrated == first.uncalibrated
    long = max(result.tracks, key=lambda track: len(track.frames))
    assert (long.first, long.last) == (seconds[1], seconds[19])
    assert set(result.milliseconds) == {"decode", "find", "cut", "network"}

    # The same frames, picture by picture.
    for place, (_, picture) in enumerate(read_at(two, list(range(1, 20, 2)))):
        alone = detector.predict(picture)
        assert result.frames[place][1] == pytest.approx(alone.probability, abs=1e-6)
        assert len(alone.findings) == (2 if 2 * place + 1 >= 8 else 1)
    for track in result.tracks:
        assert track.probability == pytest.approx(np.mean([probability for _, probability in track.frames]))
        assert track.peak.probability == max(probability for _, probability in track.frames)
        assert (track.peak_second, track.peak.probability) in track.frames
        assert track.verdict == detector.card.decision.verdict(track.probability)
        assert track.peak.heatmap is None


def test_the_answer_is_plain_json_and_always_the_same(two: Path, face_detector: Callable[..., Detector]) -> None:
    plain, again = (face_detector().predict_video(str(two), sampling=Sampling(count=5)).to_json() for _ in range(2))
    assert plain.pop("milliseconds").keys() == again.pop("milliseconds").keys()
    assert json.loads(json.dumps(plain)) == again
    assert len(plain["frames"]) == 5
    assert plain["tracks"][0]["peak"]["box"] is not None
    assert "heatmap" not in json.dumps(plain)


def test_a_face_that_is_seen_once_does_not_decide(tmp_path: Path, face_detector: Callable[..., Detector]) -> None:
    film = _film(
        tmp_path / "once.mp4", [_frame([(ADMIRAL, 20), *([(ASTRONAUT, 280)] if n == 7 else [])]) for n in range(22)]
    )
    result = face_detector().predict_video(film)
    assert [(track.decides, len(track.frames)) for track in result.tracks] == [(True, 22), (False, 1)]
    assert result.probability == result.tracks[0].probability
    assert result.reasons == ("faces that are seen too briefly to decide: 1",)
    assert result.frames[7][1] == pytest.approx(dict(result.tracks[0].frames)[result.frames[7][0]])


def test_a_face_that_is_seen_rarely_decides_where_it_is_the_only_one(
    tmp_path: Path, face_detector: Callable[..., Detector]
) -> None:
    film = _film(tmp_path / "rare.mp4", [_frame([(ASTRONAUT, 30)] if n == 3 else []) for n in range(15)])
    result = face_detector().predict_video(film)
    assert result.status == "scored"
    assert result.reasons == ("the face is seen in 1 of 15 frames only",)
    assert [probability is None for _, probability in result.frames] == [n != 3 for n in range(15)]


@pytest.mark.parametrize(
    ("no_face", "status", "verdict", "reason"),
    [
        ("exclude", "no face", None, "no face found"),
        ("abstain", "no face", "uncertain", "no face found, so the detector abstains"),
        ("whole_image", "scored", "any", "no face found, so the whole picture was scored"),
    ],
)
def test_a_video_without_faces_gets_what_the_detector_declares(
    no_face: str, status: str, verdict: Any, reason: str, tmp_path: Path, face_detector: Callable[..., Detector]
) -> None:
    film = _film(tmp_path / "empty.mp4", [_frame([])] * 6)
    result = face_detector(no_face=no_face).predict_video(film)
    assert (result.status, result.reasons) == (status, (reason,))
    if no_face == "whole_image":
        assert [len(track.frames) for track in result.tracks] == [6]
        assert result.tracks[0].peak.box is None
    else:
        assert (result.verdict, result.probability) == (verdict, 0.5 if verdict else None)
        assert result.tracks == ()
        assert [probability for _, probability in result.frames] == [None] * 6


def test_faces_decide_where_whole_frames_would_be_scored_otherwise(
    tmp_path: Path, face_detector: Callable[..., Detector]
) -> None:
    film = _film(tmp_path / "some.mp4", [_frame([(ASTRONAUT, 30)] if n < 5 else []) for n in range(8)])
    result = face_detector(no_face="whole_image").predict_video(film)
    assert [len(track.frames) for track in result.tracks] == [5]
    assert [probability is None for _, probability in result.frames] == [n >= 5 for n in range(8)]


def test_a_detector_of_whole_pictures_judges_whole_frames(two: Path, detector_file: Path) -> None:
    detector = Detector.load(detector_file, threads=1)
    result = detector.predict_video(two)
    (track,) = result.tracks
    assert len(track.frames) == len(result.frames) == 20
    assert track.frames == result.frames
    assert result.probability == pytest.approx(np.mean([probability for _, probability in track.frames]))
    assert "find" not in result.milliseconds


def test_heatmaps_are_of_the_most_suspicious_frame(two: Path, detector_file: Path, tmp_path: Path) -> None:
    detector = Detector.load(with_card(detector_file, tmp_path / "plain.onnx", decision=Decision()), threads=1)
    (track,) = detector.predict_video(two, sampling=Sampling(count=4), explain=True).tracks
    number = int(np.searchsorted(inspect(two).seconds, track.peak_second))
    (_, picture), *_ = read_at(two, [number])
    (finding,) = detector.predict(picture, explain=True).findings
    assert track.peak.heatmap is not None
    assert finding.heatmap is not None
    assert track.peak.heatmap.shape == (64, 64)
    assert np.allclose(track.peak.heatmap, finding.heatmap, atol=1e-4)


@pytest.mark.parametrize(
    ("data", "reason"), [(None, "does not exist"), (b"", "is empty"), (b"no film", "cannot be opened as a video")]
)
def test_what_is_no_video_gets_a_result_that_says_why(
    data: bytes | None, reason: str, tmp_path: Path, face_detector: Callable[..., Detector]
) -> None:
    file = tmp_path / "no.mp4"
    if data is not None:
        file.write_bytes(data)
    result = face_detector().predict_video(file)
    assert (result.name, result.status, result.verdict, result.probability) == ("no.mp4", "unreadable", None, None)
    assert len(result.reasons) == 1
    assert reason in result.reasons[0]
    assert (result.frames, result.tracks, result.seconds, result.width) == ((), (), None, None)
    assert json.loads(json.dumps(result.to_json()))["status"] == "unreadable"


def test_a_video_can_be_broken_off(two: Path, detector_file: Path) -> None:
    stop = threading.Event()
    stop.set()
    detector = Detector.load(detector_file, threads=1)
    found = detector.predict_video(two, sampling=Sampling.parse("all"), stop=stop)
    assert found.verdict is None
    assert found.reasons == ("was not looked at to its end, because the run was stopped",)
    whole = detector.predict_video(two)
    assert detector.predict_video(two, stop=threading.Event()).probability == whole.probability is not None
