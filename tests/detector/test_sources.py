"""What may be given as a picture: every kind gets the verdict of what it shows, or says why it gets none."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pictures import ASTRONAUT, COFFEE, answer, encoded
from PIL import Image

from fakedet.detector.detector import Detector
from fakedet.errors import UserError


def test_every_kind_of_source_gives_the_same(detector: Detector, tmp_path: Path) -> None:
    data = encoded(ASTRONAUT)
    (tmp_path / "a.png").write_bytes(data)
    path = tmp_path / "a.png"
    sources: list[Any] = [path, str(path), data, Image.open(path), Image.fromarray(ASTRONAUT), ASTRONAUT]
    results = detector.predict(sources)
    assert [result.name for result in results] == ["a.png", "a.png", "image 3", "image 4", "image 5", "image 6"]
    assert len({str(answer(result)) for result in results}) == 1
    first = results[0]
    assert (first.status, first.width, first.height, first.reasons) == ("scored", 512, 512, ())
    assert set(first.milliseconds) == {"decode", "cut", "network"}
    assert min(first.milliseconds.values()) > 0
    assert detector.predict(ASTRONAUT[:, ::-1]).probability != first.probability


def _turned(orientation: int) -> bytes:
    """The astronaut, stored so that the orientation turns it upright (Exif 2.32, tag 0x0112)."""
    undo = {1: lambda p: p, 2: lambda p: p[:, ::-1], 3: lambda p: p[::-1, ::-1], 4: lambda p: p[::-1]}
    undo |= {5: lambda p: p.swapaxes(0, 1), 6: lambda p: np.rot90(p, 1)}
    undo |= {7: lambda p: p[::-1, ::-1].swapaxes(0, 1), 8: lambda p: np.rot90(p, -1)}
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(np.ascontiguousarray(undo[orientation](ASTRONAUT[:400])), exif=exif)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_picture_gets_the_verdict_of_the_upright_one(
    orientation: int, face_detector: Callable[..., Detector]
) -> None:
    upright, turned = face_detector().predict([_turned(1), _turned(orientation)])
    assert upright.findings[0].box is not None
    assert answer(upright) == answer(turned)
    opened = face_detector().predict(Image.open(io.BytesIO(_turned(orientation))))
    assert answer(opened) == answer(upright)


def test_a_tag_that_pillow_cannot_write_again_does_no_harm(detector: Detector) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    picture = Image.fromarray(ASTRONAUT[:400])
    data = encoded(picture, "JPEG", exif=exif)
    odd = data.replace(b"\x01\x0e\x00\x02", b"\x01\x00\x00\x02")  # the text is now called the picture's width
    assert odd != data
    assert answer(detector.predict(odd)) == answer(detector.predict(data))


def _kinds() -> Iterator[tuple[str, bytes, float]]:
    """Files of one picture, and how far their probability may be from the plain one's."""
    picture = Image.fromarray(ASTRONAUT)
    yield "RGBA", encoded(picture.convert("RGBA")), 0
    yield "WEBP", encoded(picture, "WEBP", lossless=True), 0
    yield "TIFF", encoded(picture, "TIFF"), 0
    yield "BMP", encoded(picture, "BMP"), 0
    yield "16-bit RGB", cv2.imencode(".png", ASTRONAUT[..., ::-1].astype(np.uint16) * 257)[1].tobytes(), 0
    yield "palette", encoded(picture.quantize(256)), 0.05
    yield "CMYK", encoded(picture.convert("CMYK"), "JPEG", quality=95), 0.05
    yield "JPEG", encoded(picture, "JPEG", quality=95), 0.05
    yield "animated", encoded(picture, "WEBP", lossless=True, save_all=True, append_images=[picture.rotate(90)]), 0


@pytest.mark.parametrize(("data", "tolerance"), [kind[1:] for kind in _kinds()], ids=[kind[0] for kind in _kinds()])
def test_every_kind_of_file_gets_the_verdict_of_the_picture(data: bytes, tolerance: float, detector: Detector) -> None:
    plain, other = detector.predict([ASTRONAUT, data])
    assert other.status == "scored"
    assert other.verdict == plain.verdict
    assert other.probability == pytest.approx(plain.probability, abs=max(tolerance, 1e-6))


def test_a_grey_picture_of_16_bits_gets_the_verdict_of_its_8_bits(detector: Detector) -> None:
    grey = cv2.cvtColor(ASTRONAUT, cv2.COLOR_RGB2GRAY)
    deep = cv2.imencode(".png", grey.astype(np.uint16) * 257)[1].tobytes()
    plain, other = detector.predict([encoded(np.asarray(grey, np.uint8)), deep])
    assert answer(other) == answer(plain)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"", "is empty"),
        (b"GIF89a" + bytes(100), "is no JPEG, PNG, WEBP, BMP or TIFF picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no JPEG"),
        (encoded(ASTRONAUT)[:5000], "is truncated or damaged"),
        (encoded(ASTRONAUT, "JPEG")[:5000], "is truncated or damaged"),
        (Path("none.jpg"), "cannot be read"),
        ("none\0.jpg", "cannot be read"),
        (Path(), "cannot be read"),
        (np.zeros((0, 9, 3), np.uint8), "is empty"),
        (np.broadcast_to(np.zeros(3, np.uint8), (8000, 8000, 3)), "more than 50 million"),
        (Image.new("L", (8000, 8000)), "more than 50 million"),
        (Image.new("F", (9, 9)), "32-bit pixels"),
    ],
)
def test_what_cannot_be_judged_gets_a_result_that_says_why(source: Any, reason: str, detector: Detector) -> None:
    before, result, after = detector.predict([ASTRONAUT, source, COFFEE])
    assert result.status == "unreadable"
    assert (result.verdict, result.probability, result.uncalibrated, result.findings) == (None, None, None, ())
    assert (result.width, result.height) == (None, None)
    assert len(result.reasons) == 1
    assert reason in result.reasons[0]
    assert (before.status, after.status) == ("scored", "scored")


@pytest.mark.parametrize(
    ("source", "match"),
    [
        (ASTRONAUT / 255, "an array of 512 × 512 × 3 float64 instead of height × width × 3 uint8 in RGB"),
        (ASTRONAUT[..., 0], "an array of 512 × 512 uint8"),
        (np.zeros((9, 9, 4), np.uint8), "an array of 9 × 9 × 4 uint8"),
        (ASTRONAUT[None], "an array of 1 × 512 × 512 × 3 uint8"),
        (None, "a NoneType instead of a path, bytes, a PIL image or an RGB array"),
        (io.BytesIO(b""), "a BytesIO instead of"),
    ],
)
def test_what_is_no_picture_by_its_kind_is_refused_at_once(source: Any, match: str, detector: Detector) -> None:
    with pytest.raises(UserError, match=f"image 1 is {match}"):
        detector.predict(source)
    with pytest.raises(UserError, match=f"image 2 is {match}"):
        detector.predict([b"", source])
