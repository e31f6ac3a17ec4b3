import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from services import Server, serving


@pytest.fixture(scope="session")
def service(detector_file: Path) -> Iterator[Server]:
    """One service for most tests: two threads, and little time for slow clients."""
    with serving(detector_file, threads=2, receive_seconds=3, max_upload_bytes=3_000_000) as server:
        yield server


@pytest.fixture(scope="session")
def encoded() -> Callable[..., bytes]:
    """`encoded("PNG", mode="CMYK", …)`: a coloured picture of 90 × 70 pixels as a file of that format."""
    noise = np.random.default_rng(5).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    picture = Image.fromarray(np.asarray(cv2.GaussianBlur(noise, (0, 0), 4), np.uint8))

    def encode(file_format: str, mode: str = "RGB", **options: Any) -> bytes:
        stream = io.BytesIO()
        picture.convert(mode).save(stream, file_format, **options)
        return stream.getvalue()

    return encode


@pytest.fixture(scope="session")
def slow_picture() -> bytes:
    """A small file with so many pixels that it takes a good part of a second to judge."""
    return cv2.imencode(".png", np.zeros((6500, 6500), np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
