import io
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from services import Server

from fakedet.detector.image import MAX_PIXELS, ImageError, decode

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow tells what is wrong with a file's tags

Encode = Callable[..., bytes]


@pytest.fixture(scope="session")
def document(service: Server) -> Any:
    return schemathesis.openapi.from_url(service.url + "/openapi.json")


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("POST /predict", GenerationMode.POSITIVE),
        ("POST /predict", GenerationMode.NEGATIVE),
        ("POST /predict/batch", GenerationMode.POSITIVE),
        ("POST /predict/batch", GenerationMode.NEGATIVE),
        ("GET /model", GenerationMode.POSITIVE),
        ("GET /metrics", GenerationMode.POSITIVE),
        ("GET /health", GenerationMode.POSITIVE),
        ("GET /ready", GenerationMode.POSITIVE),
    ],
)
def test_whatever_is_asked_the_answer_is_as_the_document_says(
    document: Any, address: str, wanted: GenerationMode
) -> None:
    method, path = address.split()
    operation = document[path][method]

    @given(case=operation.as_strategy(generation_mode=wanted))
    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def ask(case: schemathesis.Case) -> None:
        response = case.call()
        assert response.status_code != 500
        # What a schema can say of a picture is that it has bytes: most of those are refused.
        excluded: list[Any] = [positive_data_acceptance]
        if isinstance(case.body, dict) and [] in case.body.values():
            excluded.append(negative_data_rejection)  # an empty list is written as no field at all
        case.validate_response(response, excluded_checks=excluded)

    ask()


def _damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """The file with some bits turned, bytes overwritten, or a piece lost, doubled or cut off."""
    found = bytearray(data)
    for _ in range(rng.integers(1, 8)):
        # Headers are where damage does most.
        place = int(rng.integers(len(found) if rng.random() < 0.5 else min(len(found), 120)))
        kind = rng.integers(5)
        if kind == 0:
            found[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            found[place : place + 4] = rng.choice([b"\x00" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00"])
        elif kind == 2:
            del found[place : place + int(rng.integers(1, 64))]
        elif kind == 3:
            found[place:place] = found[place : place + int(rng.integers(1, 64))]
        else:
            del found[max(place, 1) :]
        if not found:
            break
    return _with_right_checksums(found) if found.startswith(b"\x89PNG") else bytes(found)


def _with_right_checksums(png: bytearray) -> bytes:
    """The PNG with each chunk's checksum made anew, so that the damage gets past it."""
    place = 8
    while place + 12 <= len(png):
        end = place + 8 + int.from_bytes(png[place : place + 4], "big")
        if end + 4 > len(png):
            break
        png[end : end + 4] = zlib.crc32(png[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(png)


@pytest.mark.parametrize(
    ("file_format", "mode", "options"),
    [
        ("JPEG", "RGB", {}),
        ("JPEG", "CMYK", {"progressive": True}),
        ("PNG", "RGB", {}),
        ("PNG", "P", {}),
        ("PNG", "RGBA", {}),
        ("WEBP", "RGB", {}),
        ("WEBP", "RGBA", {"lossless": True}),
        ("BMP", "RGB", {}),
        ("TIFF", "RGB", {}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("TIFF", "CMYK", {"compression": "jpeg"}),
    ],
)
def test_damaged_files_are_decoded_or_refused_and_nothing_else(
    encoded: Encode, file_format: str, mode: str, options: dict[str, Any]
) -> None:
    rng = np.random.default_rng(11)
    whole = encoded(file_format, mode=mode, **options)
    assert decode(whole).shape == (70, 90, 3)
    refused = 0
    for _ in range(250):
        data = _damaged(whole, rng)
        try:
            image = decode(data)
        except ImageError as error:
            refused += 1
            assert str(error).startswith(("is ", "has ", "cannot be "))
            continue
        assert image.ndim == 3
        assert image.dtype == np.uint8
        assert image.shape[0] * image.shape[1] <= MAX_PIXELS
    assert refused


def test_the_service_lives_on_after_damaged_files(service: Server, encoded: Encode) -> None:
    rng = np.random.default_rng(12)
    for file_format in ("JPEG", "PNG", "WEBP", "TIFF"):
        for _ in range(15):
            assert service.post(_damaged(encoded(file_format), rng)).status_code in (200, 413, 422)
    assert service.get("/ready").status_code == 200
    stream = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(stream, "PNG")
    assert service.post(stream.getvalue()).status_code == 200
    assert "failed with" not in service.log()
