import io
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from fakedet.detector.image import ImageError, TooLarge, decode, normalise, preprocess, resize
from fakedet.detector.spec import PreprocessSpec

Picture = NDArray[np.uint8]


def _picture(height: int = 40, width: int = 60, seed: int = 0) -> Picture:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), np.uint8)


def _file(image: Picture | Image.Image, file_format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(stream, file_format, **options)
    return stream.getvalue()


def _cv_png(image: NDArray[Any]) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_lossless_formats_give_the_pixels_back(file_format: str, options: dict[str, Any]) -> None:
    image = _picture()
    decoded = decode(_file(image, file_format, **options))
    assert np.array_equal(decoded, image)
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_equals_pillow(grey: bool, subsampling: int, progressive: bool) -> None:
    picture = Image.fromarray(_picture(63, 81)).convert("L" if grey else "RGB")
    data = _file(picture, "JPEG", quality=75, subsampling=subsampling, progressive=progressive)
    with Image.open(io.BytesIO(data)) as opened:
        assert np.array_equal(decode(data), np.asarray(opened.convert("RGB")))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
@pytest.mark.parametrize("chunk", [b"", b"gAMA" + struct.pack(">I", 20000), b"sBIT\x05\x05\x05"])
def test_png_equals_pillow_whatever_it_says_of_its_colours(mode: str, chunk: bytes) -> None:
    data = _file(Image.fromarray(_picture()).convert(mode), "PNG")
    if chunk and (mode == "RGB" or not chunk.startswith(b"sBIT")):
        extra = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        data = data[:33] + extra + data[33:]
    with Image.open(io.BytesIO(data)) as opened:
        assert np.array_equal(decode(data), np.asarray(opened.convert("RGB")))


def test_transparency_is_shown_on_white() -> None:
    image = np.dstack([np.full((4, 8, 3), 100, np.uint8), np.full((4, 8), 255, np.uint8)])
    image[:, 4:, 3] = 0
    image[:, 3, 3] = 51  # a fifth opaque: 100 / 5 + 255 · 4 / 5
    for data in (_file(image, "PNG"), _file(image, "WEBP", lossless=True), _file(image, "TIFF")):
        decoded = decode(data)
        assert (decoded[:, :3] == 100).all()
        assert (decoded[:, 3] == 224).all()
        assert (decoded[:, 4:] == 255).all()


def test_one_transparent_colour_is_shown_on_white() -> None:
    assert (decode(_file(Image.new("RGB", (8, 8), "black"), "PNG", transparency=(0, 0, 0))) == 255).all()
    assert (decode(_file(Image.new("L", (8, 8), 7), "PNG", transparency=7)) == 255).all()
    assert (decode(_file(Image.new("P", (8, 8), 0), "PNG", transparency=0)) == 255).all()


@pytest.mark.parametrize(
    ("mode", "file_format", "options"),
    [("RGBA", "PNG", {}), ("P", "PNG", {"transparency": 3}), ("LA", "PNG", {}), ("RGBA", "WEBP", {"lossless": True}),
     ("CMYK", "TIFF", {}), ("1", "TIFF", {}), ("RGB", "BMP", {})],
)  # fmt: skip
def test_a_picture_of_many_rows_is_converted_like_one_of_few(
    mode: str, file_format: str, options: dict[str, Any]
) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (700, 9, 4), dtype=np.uint8)
    whole = Image.fromarray(noise, "RGBA").convert(mode)
    decoded = decode(_file(whole, file_format, **options))
    assert decoded.shape == (700, 9, 3)
    for top in (0, 250, 500, 690):
        few = whole.crop((0, top, 9, top + 10))
        assert np.array_equal(decoded[top : top + 10], decode(_file(few, file_format, **options)))


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("largest", [200, 65535])
def test_16_bit_grey_is_scaled(suffix: str, largest: int) -> None:
    values = np.random.default_rng(0).integers(0, largest + 1, (20, 30), dtype=np.uint16)
    decoded = decode(cv2.imencode(suffix, values)[1].tobytes())
    assert np.abs(decoded - (values / 257)[..., None]).max() <= 0.5


def test_16_bit_rgb_is_scaled() -> None:
    values = np.random.default_rng(0).integers(0, 65536, (20, 30, 3), dtype=np.uint16)
    assert np.abs(decode(_cv_png(values[..., ::-1])) - values / 257).max() < 1


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_32_bit_pixels_are_refused(kind: type) -> None:
    with pytest.raises(ImageError, match="32-bit"):
        decode(_file(Image.fromarray(np.full((8, 8), 3, kind)), "TIFF"))


def test_cmyk_jpeg_shows_its_colours() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[:16], image[16:] = (200, 30, 30), (30, 30, 200)
    decoded = decode(_file(Image.fromarray(image).convert("CMYK"), "JPEG", quality=95)).astype(int)
    assert np.abs(decoded[:12] - image[:12]).max() < 12
    assert np.abs(decoded[20:] - image[20:]).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_exif_orientation_is_applied(orientation: int, file_format: str) -> None:
    upright = np.zeros((48, 80, 3), np.uint8)
    upright[:16, :16], upright[-16:, :16], upright[:16, -16:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    # What a camera stores so that turning it as the tag says gives `upright` (EXIF 2.3, 4.6.4).
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: np.rot90(upright.transpose(1, 0, 2), 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95, "subsampling": 0} if file_format == "JPEG" else {}
    decoded = decode(_file(np.ascontiguousarray(stored), file_format, exif=exif, **options))
    assert decoded.shape == upright.shape
    assert np.abs(decoded.astype(int) - upright).mean() < 2


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
def test_of_many_pictures_it_is_the_first(file_format: str) -> None:
    image = _picture()
    options = {} if file_format == "TIFF" else {"duration": 100}
    if file_format == "WEBP":
        options["lossless"] = True
    red = Image.new("RGB", (60, 40), "red")
    assert np.array_equal(decode(_file(image, file_format, save_all=True, append_images=[red], **options)), image)


def test_pictures_of_phones_with_a_second_one_inside() -> None:
    data = _file(_picture(), "MPO", save_all=True, append_images=[Image.new("RGB", (60, 40), "red")])
    assert np.abs(decode(data).astype(int) - _picture()).mean() < 4


@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("WEBP", {}),
        ("BMP", {}),
        ("TIFF", {}),
    ],
)
def test_truncated_files_are_refused_wherever_they_end(file_format: str, options: dict[str, Any]) -> None:
    data = _file(_picture(), file_format, **options)
    # The last two bytes of a JPEG are its end marker: without them no pixel is lost.
    last = len(data) - 2 if file_format == "JPEG" else len(data)
    for end in {*range(1, last, max(1, last // 40)), *range(last - 8, last)}:
        with pytest.raises(ImageError):
            decode(data[:end])


def test_a_damaged_png_is_refused() -> None:
    data = bytearray(_file(_picture(), "PNG"))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(ImageError, match="truncated or damaged"):
        decode(bytes(data))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
def test_random_damage_raises_nothing_else(file_format: str) -> None:
    rng = np.random.default_rng(3)
    exif = Image.Exif()
    exif[0x0112] = 6
    clean = _file(_picture(), file_format, **({} if file_format == "BMP" else {"exif": exif}))
    refused = 0
    for _ in range(100):
        data = bytearray(clean)
        for position in rng.integers(0, min(len(data), 300), 4):
            data[position] = rng.integers(256)
        try:
            decode(bytes(data))
        except ImageError:
            refused += 1
    assert refused > 10


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.png", _file(_picture(), "PNG"))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"just a text", "is no JPEG, PNG"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>', "is no JPEG"),
        (b"<html><script>alert(1)</script></html>" + _file(_picture(), "JPEG"), "is no JPEG"),
        (_zip(), "is no JPEG"),
        (_file(_picture(), "GIF"), "is no JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no JPEG"),
    ],
    ids=["empty", "text", "svg", "html", "zip", "gif", "eps"],
)
def test_what_is_no_picture_is_refused(data: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "innocent.jpg"
    file.write_bytes(data)
    for source in (data, file):
        with pytest.raises(ImageError, match=message):
            decode(source)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="No such file"):
        decode(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match="Is a directory"):
        decode(tmp_path)


@pytest.mark.parametrize("side", [10_001, 20_000, 60_000])
def test_decompression_bombs_are_refused_before_they_unfold(side: int) -> None:
    rows = zlib.compressobj(9)
    pixels = b"".join(rows.compress(bytes(side + 1)) for _ in range(200)) + rows.flush()

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    tracemalloc.start()
    with pytest.raises(ImageError, match="more than 50 million"):
        decode(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_resize_leaves_a_fitting_square_alone() -> None:
    image = _picture(64, 64)
    assert np.array_equal(resize(image, PreprocessSpec(size=64)), image)


@pytest.mark.parametrize("shape", [(64, 100), (100, 64), (64, 65)])
def test_resize_cuts_the_centre(shape: tuple[int, int]) -> None:
    image = _picture(*shape)
    top, left = (shape[0] - 64) // 2, (shape[1] - 64) // 2
    assert np.array_equal(resize(image, PreprocessSpec(size=64)), image[top : top + 64, left : left + 64])


@pytest.mark.parametrize("interpolation", ["area", "bilinear", "bicubic"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 500_000), (3, 2), (37, 500), (300, 200)])
def test_resize_gives_the_size_whatever_comes(shape: tuple[int, int], interpolation: str) -> None:
    image = np.full((*shape, 3), 77, np.uint8)
    square = resize(image, PreprocessSpec(size=96, interpolation=interpolation))
    assert square.shape == (96, 96, 3)
    assert square.dtype == np.uint8
    assert square.flags.c_contiguous
    assert (square == 77).all()


def test_area_averages_when_shrinking() -> None:
    image = _picture(128, 128)
    mean = image.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.abs(resize(image, PreprocessSpec(size=64)) - mean).max() <= 0.5
    assert np.abs(resize(image, PreprocessSpec(size=64, interpolation="bicubic")) - mean).max() > 0.5


def test_normalise_is_its_definition() -> None:
    spec = PreprocessSpec(size=64)
    image = _picture(64, 64)
    wanted = ((image / 255.0 - np.array(spec.mean)) / np.array(spec.std)).transpose(2, 0, 1)
    normalised = normalise(image, spec)
    assert normalised.dtype == np.float32
    assert normalised.flags.c_contiguous
    assert np.abs(normalised - wanted).max() < 1e-6


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_a_path_and_its_bytes_give_equal_tensors(file_format: str, tmp_path: Path) -> None:
    spec = PreprocessSpec(size=48)
    file = tmp_path / "picture"
    file.write_bytes(_file(_picture(90, 70), file_format))
    tensor = preprocess(decode(file), spec)
    assert tensor.shape == (3, 48, 48)
    assert np.array_equal(tensor, preprocess(decode(file.read_bytes()), spec))


def _tiled(side: int) -> bytes:
    """A TIFF of 16 × 16 grey pixels, cut from one deflated tile (TIFF 6.0, sections 2 and 15)."""
    tile = zlib.compress(bytes(side * side))
    tags = {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 277: 1, 322: side, 323: side, 324: 8, 325: len(tile)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(tile)) + tile + directory


def test_a_tile_far_larger_than_its_picture_is_refused() -> None:
    assert decode(_tiled(256)).shape == (16, 16, 3)
    with pytest.raises(TooLarge, match="has tiles of 8192 × 8192 pixels, more than 50 million"):
        decode(_tiled(8192))


def test_what_follows_a_jpeg_is_no_scan_of_it() -> None:
    image = _file(_picture(400, 600), "JPEG", progressive=True, quality=90)
    film = b"\xff\xda\x00\x02" * 1000  # as by chance in the film behind a motion photo
    assert np.array_equal(decode(image + film), decode(image))
    last = image[image.rindex(b"\xff\xda") : -2]
    with pytest.raises(ImageError, match="more than 100 scans"):
        decode(image[:-2] + last * 100 + image[-2:])
    hidden = b"\xff\xfe\x00\x04\xff\xd9"  # a comment that holds what ends a picture elsewhere
    with pytest.raises(ImageError, match="more than 100 scans"):
        decode(image[:2] + hidden + image[2:-2] + last * 100 + image[-2:])


def test_the_exif_of_a_png_is_read_and_a_plain_one_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    image = _picture()
    exif = Image.Exif()
    exif[0x0112] = 6
    assert np.array_equal(decode(_file(image, "PNG", exif=exif)), np.rot90(image, -1))
    monkeypatch.setattr(PngImageFile, "load", None)
    assert np.array_equal(decode(_file(image, "PNG")), image)


def _directory(entries: list[tuple[int, int, int]], *, big: bool = False) -> bytes:
    """A TIFF of 1 × 2 grey pixels with further entries: tag, type, number of values, all of them at the end."""
    known = [(256, 3, 1, 1), (257, 3, 1, 2), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (278, 3, 1, 1)]
    count = len(known) + len(entries)
    size, head = (20, 16 + 8) if big else (12, 8 + 2)
    end = head + size * count + (8 if big else 4)
    form = "<HHQQ" if big else "<HHII"
    start = struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, count) if big else struct.pack("<2sHIH", b"II", 42, 8, count)
    packed = [struct.pack(form, *entry) for entry in known] + [struct.pack(form, *entry, end) for entry in entries]
    longest = max((number for _, _, number in entries), default=0)
    return start + b"".join(packed) + bytes(size - 8) + b"\x08" * (8 * longest + 8)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(("tag", "kind"), [(273, 1), (273, 4), (324, 1), (282, 5)])
def test_a_tiff_of_very_many_values_is_refused_before_it_is_opened(tag: int, kind: int, big: bool) -> None:
    data = _directory([(tag, kind, 150_000)], big=big)
    tracemalloc.start()
    with pytest.raises(ImageError, match="TIFF with 150000 values of one tag"):
        decode(data)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_a_tiff_of_a_million_tags_is_refused() -> None:
    data = bytearray(_directory([], big=True))
    data[16:24] = struct.pack("<Q", 10**6)
    with pytest.raises(ImageError, match="TIFF with 1000000 tags"):
        decode(bytes(data))


def test_a_tiff_with_a_large_profile_is_decoded() -> None:
    picture = Image.new("RGB", (8, 8), (1, 2, 3))
    assert (decode(_file(picture, "TIFF", icc_profile=bytes(300_000))) == (1, 2, 3)).all()


def test_scans_that_follow_a_reserved_marker_are_counted() -> None:
    data = _file(Image.new("L", (64, 64), 128), "JPEG", progressive=True)
    head = data[: data.index(b"\xff\xda")]
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x00"
    restarts, none = b"\xff\xdd\x00\x04\x00\x01", b"\xff\xdd\x00\x04\x00\x00"
    # libjpeg, which waits for a restart here, takes 0xff02 for none and goes on to the next marker.
    hidden = b"\xff\x02\xff\xff" + none + (scan + b"\x10") * 150
    with pytest.raises(ImageError, match="JPEG of more than 100 scans"):
        decode(head + restarts + scan + b"\x01\x00" + hidden + b"\xff\xd9")


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_exif_data_as_long_as_a_picture_is_refused(file_format: str) -> None:
    few = Image.Exif()
    few[0x0112] = 3
    values = few.tobytes() + bytes(2**20)
    if file_format == "JPEG":  # in segments, which Pillow puts together
        plain = _file(_picture(), "JPEG")
        piece = values[:60_000]
        data = plain[:2] + (b"\xff\xe1" + struct.pack(">H", len(piece) + 2) + piece) * 18 + plain[2:]
    else:
        data = _file(_picture(), file_format, exif=values)
    with pytest.raises(ImageError, match="more than 1048576 bytes of EXIF data"):
        decode(data)


def _opencvs() -> cv2.error:
    error = cv2.error("Insufficient memory")
    error.code = cv2.Error.StsNoMem
    return error


@pytest.mark.parametrize("error", [MemoryError(), _opencvs()])
def test_a_picture_is_not_called_damaged_for_want_of_memory(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise error

    picture = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    monkeypatch.setattr("fakedet.detector.image.cv2.imdecode", refuse)
    with pytest.raises(ImageError, match=r"^cannot be read \(not enough memory\)$"):
        decode(picture)
