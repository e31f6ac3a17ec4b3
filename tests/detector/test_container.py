import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from films import FILES, HEIGHT, TIMES, WIDTH, number, write

from fakedet.detector.container import VideoError, inspect, open_capture
from fakedet.detector.video import Sampling, read, read_at, wanted_frames


@pytest.mark.parametrize("name", FILES)
def test_frames_are_counted_and_timed(name: str, films: Path) -> None:
    found = inspect(films / name)
    assert (found.frames, found.width, found.height) == (240, WIDTH, HEIGHT)
    assert found.seconds.shape == (240,)
    if name not in ("h264.avi", "program.mpg"):
        times = np.array(TIMES) / 1000 if name.startswith("variable") else np.arange(240) / 25
        assert np.abs(found.seconds - found.seconds[0] - (times - times[0])).max() < 0.002
    if not name.startswith("variable"):
        assert found.fps == pytest.approx(25)


def test_a_container_that_lies_is_not_believed(films: Path) -> None:
    capture = open_capture(films / "variable.mkv")
    declared = capture.get(7)  # cv2.CAP_PROP_FRAME_COUNT
    capture.release()
    assert declared > 300
    assert wanted_frames(films / "variable.mkv", Sampling(count=4)) == [30, 90, 150, 210]


@pytest.mark.parametrize("name", ["variable.mkv", "stream.ts", "vp9.webm"])
def test_a_recording_that_was_cut_off_gives_what_is_there(name: str, films: Path, tmp_path: Path) -> None:
    data = (films / name).read_bytes()
    cut = tmp_path / name
    cut.write_bytes(data[: len(data) // 2])
    frames = inspect(cut).frames
    assert 60 < frames < 200
    found = [(index, number(image)) for index, image in read(cut, Sampling(count=6))]
    assert found == [(index, index) for index in Sampling(count=6).indices(frames)]


@pytest.mark.parametrize("faststart", [True, False])
@pytest.mark.parametrize("share", [0.6, 0.99])
def test_a_truncated_mp4_is_refused(faststart: bool, share: float, tmp_path: Path) -> None:
    container = {"movflags": "faststart"} if faststart else None
    data = write(tmp_path / "whole.mp4", 40, container=container).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(VideoError, match="is truncated"):
        list(read(tmp_path / "cut.mp4", Sampling(count=4)))
    (tmp_path / "longer.mp4").write_bytes(data + b"\0" * 100)
    assert inspect(tmp_path / "longer.mp4").frames == 40


def test_an_mp4_without_its_index_is_refused(films: Path, tmp_path: Path) -> None:
    data = (films / "b_frames.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: data.index(b"moov") - 4])
    with pytest.raises(VideoError, match="cannot be opened as a video"):
        inspect(tmp_path / "cut.mp4")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"just a text\n" * 50, "cannot be opened as a video"),
        (np.random.default_rng(0).bytes(5000), "cannot be opened as a video"),
        (None, "does not exist"),
    ],
    ids=["empty", "text", "noise", "missing"],
)
def test_what_is_no_video_is_refused(data: bytes | None, message: str, tmp_path: Path) -> None:
    file = tmp_path / "innocent.mp4"
    if data is not None:
        file.write_bytes(data)
    for attempt in (inspect, lambda path: list(read(path, Sampling())), lambda path: list(read_at(path, [0]))):
        with pytest.raises(VideoError, match=message):
            attempt(file)
    with pytest.raises(VideoError, match="is no file"):
        inspect(tmp_path)


def test_a_video_without_frames_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.mp4"), "w") as file:
        stream: Any = file.add_stream("aac", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 8000
        file.mux(stream.encode(silence))
        file.mux(stream.encode())
    with pytest.raises(VideoError, match=r"cannot be opened as a video|holds no frame"):
        inspect(tmp_path / "sound.mp4")


def test_refusals_are_silent(tmp_path: Path) -> None:
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    script = (
        "import sys; from pathlib import Path; from fakedet.detector.video import VideoError, inspect\n"
        "try: inspect(Path(sys.argv[1]))\nexcept VideoError as error: print(error)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "noise.mp4")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("cannot be opened as a video")
    assert done.stderr == ""
