import io
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from services import Server, serving

Encode = Callable[..., bytes]

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script><rect width="9" height="9"/></svg>'
HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"


def _gif(encoded: Encode) -> bytes:
    return encoded("GIF", mode="P")


def _png(width: int, height: int) -> bytes:
    """A real PNG of so many black pixels, one bit each."""
    rows = zlib.compress(bytes((1 + (width + 7) // 8) * height), 9)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _jpeg_that_claims(data: bytes, side: int) -> bytes:
    """The JPEG with another size in its frame header (ISO 10918-1, B.2.2)."""
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", side, side) + data[place + 4 :]


@pytest.mark.parametrize("kind", ["truncated", "cut in its header", "empty", "text", "svg", "html", "gif", "pdf"])
def test_what_is_no_picture_is_refused_with_a_reason(service: Server, encoded: Encode, kind: str) -> None:
    jpeg = encoded("JPEG", quality=90)
    data = {
        "truncated": jpeg[: len(jpeg) // 2],
        "cut in its header": jpeg[:40],
        "empty": b"",
        "text": b"a text",
        "svg": SVG,
        "html": HTML + jpeg,
        "gif": _gif(encoded),
        "pdf": b"%PDF-1.7\n" + jpeg,
    }[kind]
    response = service.post(data)
    assert (response.status_code, response.json()["code"]) == (422, "unreadable-image")
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"].startswith("The picture is ")
    assert b"script" not in response.content


@pytest.mark.parametrize(
    ("file_format", "mode"),
    [("JPEG", "CMYK"), ("TIFF", "CMYK"), ("PNG", "P"), ("PNG", "RGBA"), ("PNG", "LA"), ("PNG", "1")],
)
def test_unusual_pixels_are_judged(service: Server, encoded: Encode, file_format: str, mode: str) -> None:
    answer = service.post(encoded(file_format, mode=mode)).json()
    assert answer["status"] == "scored"
    assert 0 <= answer["probability"] <= 1


def test_sixteen_bits_are_judged_as_their_upper_eight(service: Server, encoded: Encode) -> None:
    eight = cv2.imdecode(np.frombuffer(encoded("PNG"), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert eight is not None
    deep = cv2.imencode(".png", eight.astype(np.uint16) * 257)[1].tobytes()
    plain = cv2.imencode(".png", eight)[1].tobytes()
    assert service.post(deep).json()["probability"] == pytest.approx(
        service.post(plain).json()["probability"], abs=1e-6
    )


def test_of_an_animation_the_first_picture_is_judged(service: Server, encoded: Encode) -> None:
    first = Image.open(io.BytesIO(encoded("PNG")))
    stream = io.BytesIO()
    first.save(stream, "WEBP", save_all=True, append_images=[Image.new("RGB", first.size, "red")], lossless=True)
    answer, expected = service.post(stream.getvalue()).json(), service.post(encoded("PNG")).json()
    assert answer["probability"] == pytest.approx(expected["probability"], abs=1e-6)


def test_a_picture_that_is_a_page_too_is_never_answered_as_one(service: Server, encoded: Encode) -> None:
    response = service.client.post(
        "/predict",
        files={"image": ("x.html", encoded("JPEG") + HTML, "text/html")},
    )
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "script" not in response.text


@pytest.mark.parametrize("bomb", ["100 megapixels", "400 megapixels", "claimed 400 megapixels"])
def test_bombs_are_refused_before_they_are_decoded(service: Server, encoded: Encode, bomb: str) -> None:
    data = {
        "100 megapixels": lambda: _png(10_000, 10_000),
        "400 megapixels": lambda: _png(20_000, 20_000),
        "claimed 400 megapixels": lambda: _jpeg_that_claims(encoded("JPEG"), 20_000),
    }[bomb]()
    service.post(encoded("PNG"))
    before = service.forget_peak()
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        response = service.post(data)
        seconds.append(time.perf_counter() - start)
        assert (response.status_code, response.json()["code"]) == (413, "too-many-pixels")
    assert service.memory() - before < 50 * 1024
    assert min(seconds) < 0.1


def test_two_of_the_largest_pictures_fit_into_two_gigabytes(detector_file: Path) -> None:
    # Transparent and turned, which takes the most copies; compose.yaml and docs/deploy.md give the memory.
    turned = Image.Exif()
    turned[0x0112] = 6
    stream = io.BytesIO()
    Image.new("RGBA", (7000, 7000), (10, 200, 30, 128)).save(stream, "PNG", compress_level=1, exif=turned)
    with serving(detector_file, threads=2) as server, ThreadPoolExecutor(2) as clients:
        answers = clients.map(lambda _: server.post(stream.getvalue()).status_code, range(4))
        assert list(answers) == [200] * 4
        assert server.memory() < 1.5 * 2**20


def test_a_jpeg_of_endless_scans_holds_no_thread(service: Server) -> None:
    stream = io.BytesIO()
    Image.new("L", (5000, 5000)).save(stream, "JPEG", progressive=True)
    data = stream.getvalue()
    assert service.post(data).status_code == 200
    last = data[data.rindex(b"\xff\xda") : -2]
    start = time.perf_counter()
    response = service.post(data[:-2] + last * 10_000 + data[-2:])
    assert (response.status_code, response.json()["code"]) == (422, "unreadable-image")
    assert time.perf_counter() - start < 2


def test_a_body_without_a_length_is_cut_off_at_the_limit(service: Server) -> None:
    before = service.forget_peak()
    sent = 0

    def stream() -> Iterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\n'
        for _ in range(400):
            sent += 1
            yield bytes(100_000)

    headers = {"content-type": "multipart/form-data; boundary=b"}
    response = service.client.post("/predict", content=stream(), headers=headers)
    assert (response.status_code, response.json()["code"]) == (413, "too-many-bytes")
    assert sent > 30
    assert service.memory() - before < 50 * 1024


def test_a_length_over_the_limit_is_refused_before_the_body_comes(service: Server) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as line:
        line.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 3000001\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        )
        assert line.recv(100).startswith(b"HTTP/1.1 413 ")


def test_three_megabytes_are_kept_in_memory(service: Server) -> None:
    # The service may not write to any file: a temporary one would make this fail.
    noise = np.random.default_rng(0).integers(0, 256, (950, 950, 3), dtype=np.uint8)
    data = cv2.imencode(".bmp", noise)[1].tobytes()
    assert 2_500_000 < len(data) < 3_000_000
    assert service.post(data).status_code == 200


@pytest.mark.parametrize("kind", ["fields", "files"])
def test_ten_thousand_parts_are_refused_at_once(service: Server, kind: str) -> None:
    name = b'; filename="x"' if kind == "files" else b""
    part = b'--b\r\nContent-Disposition: form-data; name="a"' + name + b"\r\n\r\nx\r\n"
    body = part * 10_000 + b"--b--\r\n"
    start = time.perf_counter()
    response = service.client.post(
        "/predict", content=body, headers={"content-type": "multipart/form-data; boundary=b"}
    )
    assert (response.status_code, response.json()["code"]) == (400, "bad-form")
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b",
        b"--b--\r\n",
        b"no boundary at all",
        b"--b\r\n\r\nno disposition\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\nno file\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="explain"\r\n\r\nperhaps\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="picture"; filename="x"\r\n\r\nx\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\nnever ends',
        b'--b\r\nContent-Disposition: form-data; name="' + b"x" * 100_000 + b'"\r\n\r\n1\r\n--b--\r\n',
        b"\r\n" * 500_000,
        b"--b\r\n" + b"A: b\r\n" * 100_000,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_damaged_forms_are_refused(service: Server, body: bytes) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    response = service.client.post("/predict", content=body, headers=headers)
    assert response.status_code in (400, 422)
    assert response.json()["code"] in ("bad-form", "no-image", "bad-parameter")


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=", "text/plain; boundary=b", ""]
)
def test_bodies_of_another_kind_are_refused(service: Server, kind: str) -> None:
    response = service.client.post("/predict", content=b"x", headers={"content-type": kind})
    assert response.status_code in (400, 415)


def test_two_pictures_for_one_are_refused(service: Server, encoded: Encode) -> None:
    files = [("image", ("x", encoded("PNG")))] * 2
    response = service.client.post("/predict", files=files)
    assert (response.status_code, response.json()["code"]) == (413, "too-many-images")


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "a\\b.png", "x\r\nSet-Cookie: a=b", "\x00", "%s{0}" * 99]
)
def test_file_names_are_used_for_nothing(service: Server, encoded: Encode, name: str) -> None:
    response = service.client.post("/predict", files={"image": (name, encoded("PNG"))})
    assert response.json()["name"] == "image 1"
    assert "set-cookie" not in response.headers
    assert [path.name for path in Path(f"/proc/{service.process.pid}/cwd/").iterdir()] == ["detector.onnx"]


def test_what_clients_write_is_not_logged(service: Server, encoded: Encode) -> None:
    service.client.post("/predict?secret-one", files={"secret-two": ("secret-three", b"secret-four")})
    service.client.get("/secret-five", headers={"User-Agent": "secret-six", "Referer": "secret-seven"})
    service.client.request("SECRET-EIGHT", "/health")
    kind = {"content-type": "multipart/form-data; boundary=b"}
    service.client.post("/predict", content=b"--x", headers=kind)
    service.post(encoded("PNG"))
    log = service.log()
    assert "boundary" not in log
    assert "POST /predict 422" in log
    assert "GET other 404" in log
    assert "secret" not in log.lower()
    assert "127.0.0.1:" not in log.split("Uvicorn running", 1)[1].split("\n", 1)[1]
