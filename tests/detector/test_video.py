import shutil
import struct
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from films import FILES, HEIGHT, WIDTH, number

from fakedet.detector import video
from fakedet.detector.video import Sampling, VideoError, inspect, read, read_at
from fakedet.errors import UserError

# In these times do not tell which frame it is, or no later key frame is there, so nothing can be skipped.
_NOT_SKIPPED = {"h264.avi", "program.mpg", "one_key_frame.mp4"}


@pytest.mark.parametrize("name", FILES)
def test_every_frame_comes_once_in_order(name: str, films: Path) -> None:
    found = [(index, number(image)) for index, image in read(films / name, Sampling())]
    assert found == [(index, index) for index in range(240)]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("indices", [[0], [239], [120, 121, 235], [3, 55, 56, 119, 150, 210], [89, 90, 91, 179, 180]])
def test_frames_are_the_wanted_ones_however_far_apart(
    name: str, indices: list[int], films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumping = list(read_at(films / name, indices))
    assert [index for index, _ in jumping] == indices
    assert [number(image) for _, image in jumping] == indices
    monkeypatch.setattr(video, "_RUN_UP", 10**9)
    for (_, jumped), (_, decoded) in zip(jumping, read_at(films / name, indices), strict=True):
        assert np.array_equal(jumped, decoded)


@pytest.mark.parametrize("name", FILES)
def test_what_lies_between_is_skipped_where_times_tell(name: str, films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0
    step = video._Reader._step

    def counted(reader: video._Reader) -> bool:
        nonlocal steps
        steps += 1
        return step(reader)

    monkeypatch.setattr(video._Reader, "_step", counted)
    assert [number(image) for _, image in read_at(films / name, [235])] == [235]
    assert (steps > 230) if name in _NOT_SKIPPED else (steps < 60)


def test_a_jump_that_lands_elsewhere_is_not_believed(films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for back in (-90, 5, 60, 100):
        monkeypatch.setattr(video, "_BACK", back)
        indices = [70, 100, 160, 239]
        assert [number(image) for _, image in read_at(films / "variable.mp4", indices)] == indices


def test_a_frame_of_an_unknown_time_is_not_believed(films: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = inspect(films / "b_frames.mp4")
    late = found.seconds + np.where(np.arange(240) > 0, -0.01, 0)
    monkeypatch.setattr(video, "inspect", lambda path: replace(found, seconds=late))
    assert [number(image) for _, image in read_at(films / "b_frames.mp4", [100, 200])] == [100, 200]


@pytest.mark.parametrize(
    ("text", "frames", "expected"),
    [
        ("4", 8, [1, 3, 5, 7]),
        (1, 9, [4]),
        ("32", 3, [0, 1, 2]),
        ("3", 3, [0, 1, 2]),
        ("3", 4, [0, 2, 3]),
        ("007", 7, list(range(7))),
        ("all", 4, [0, 1, 2, 3]),
        ("every-3", 8, [0, 3, 6]),
        ("every-9", 8, [0]),
        ("5", 0, []),
    ],
)
def test_sampling(text: str | int, frames: int, expected: list[int]) -> None:
    assert Sampling.parse(text).indices(frames) == expected


@pytest.mark.parametrize("count", [1, 2, 31, 32, 100])
def test_sampling_is_even_and_symmetric(count: int) -> None:
    for frames in (count, count + 1, 299, 301, 12_345):
        indices = Sampling(count=count).indices(frames)
        assert len(indices) == min(count, frames)
        assert len(set(indices)) == len(indices)
        gaps = np.diff(indices)
        assert gaps.size == 0 or gaps.max() - gaps.min() <= 1
        assert abs(indices[0] - (frames - 1 - indices[-1])) <= 1


@pytest.mark.parametrize("text", ["0", "-3", "every-0", "every", "every-x", "3.5", "", "ALL", "every--2", "1e3", True])
def test_other_samplings_are_refused(text: Any) -> None:
    with pytest.raises(UserError, match="is not a number of frames"):
        Sampling.parse(text)


# The display matrix of a track header (ISO 14496-12, 8.3.2) that turns clockwise; quarter turns of np.rot90.
_MATRICES = {90: ((0, 1, -1, 0), -1), 180: ((-1, 0, 0, -1), 2), 270: ((0, -1, 1, 0), 1)}


@pytest.mark.parametrize("degrees", _MATRICES)
def test_a_turned_film_comes_upright(degrees: int, films: Path, tmp_path: Path) -> None:
    (a, b, c, d), quarters = _MATRICES[degrees]
    data = bytearray((films / "b_frames.mp4").read_bytes())
    start = data.index(b"tkhd") + 4 + 40  # of the matrix, in version 0 of the box
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    assert data[start : start + 36] == upright
    data[start : start + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(data)
    found = inspect(turned)
    size = (WIDTH, HEIGHT) if degrees == 180 else (HEIGHT, WIDTH)
    assert (found.frames, found.width, found.height) == (240, *size)
    for (_, image), (_, plain) in zip(
        read_at(turned, [5, 200]), read_at(films / "b_frames.mp4", [5, 200]), strict=True
    ):
        assert np.array_equal(image, np.rot90(plain, quarters))


def test_colours_are_rgb(films: Path) -> None:
    image = next(iter(read_at(films / "b_frames.mp4", [0])))[1]
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert np.abs(image[70, 20].astype(int) - (210, 90, 30)).max() < 12


def test_memory_stays_flat(films: Path) -> None:
    tracemalloc.start()
    for _, _image in read(films / "only_key_frames.avi", Sampling()):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * HEIGHT * WIDTH * 3


def test_a_film_that_is_shorter_than_its_index_is_sampled_over_what_is_there(films: Path, tmp_path: Path) -> None:
    """An edit list (ISO 14496-12, 8.6.6) that shows the first half only, of frames that hang together."""
    data = bytearray((films / "one_key_frame.mp4").read_bytes())
    start = data.index(b"elst") + 12
    (duration,) = struct.unpack(">I", data[start : start + 4])
    data[start : start + 4] = struct.pack(">I", duration // 2)
    trimmed = tmp_path / "trimmed.mp4"
    trimmed.write_bytes(data)
    assert [number(image) for _, image in read(trimmed, Sampling())] == list(range(120))
    assert inspect(trimmed).frames == 240
    found = [(index, number(image)) for index, image in read(trimmed, Sampling(count=8))]
    assert found == [(index, index) for index in (15, 45, 75, 105, 112)]
    assert [index for index, _ in read(trimmed, Sampling(count=1))] == [60]
    assert [index for index, _ in read_at(trimmed, [10, 119, 150])] == [10, 119]


def test_a_film_that_cannot_be_decoded_is_refused(films: Path, tmp_path: Path) -> None:
    data = bytearray((films / "only_key_frames.avi").read_bytes())
    start, end = data.index(b"movi") + 4, data.rindex(b"idx1")
    position = start
    while position < end - 8:
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        data[position + 8 : position + 8 + length] = bytes(length)
        position += 8 + length + length % 2
    (tmp_path / "black.avi").write_bytes(data)
    with pytest.raises(VideoError, match="no frame that can be decoded"):
        list(read(tmp_path / "black.avi", Sampling(count=4)))


def test_a_name_with_a_colon_is_a_file_and_nothing_else(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dated = Path("2026-01-01T12:30:00.avi")
    shutil.copy(films / "h264.avi", dated)
    assert inspect(dated).frames == 240
    other = Path(f"file:{films.resolve()}")
    other.mkdir(parents=True)
    (other / "h264.avi").write_bytes(b"no film")
    with pytest.raises(VideoError, match="cannot be opened as a video"):
        inspect(other / "h264.avi")


@pytest.mark.parametrize("beginning", ["ffconcat version 1.0\nfile", "#EXTM3U\n#EXTINF:9,\n"])
def test_a_list_of_films_is_no_film(films: Path, tmp_path: Path, beginning: str) -> None:
    shutil.copy(films / "h264.avi", tmp_path / "other.avi")
    (tmp_path / "list.mp4").write_text(f"{beginning} other.avi\n")
    with pytest.raises(VideoError, match="is a list of other files"):
        inspect(tmp_path / "list.mp4")
