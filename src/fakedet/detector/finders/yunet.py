"""YuNet through OpenCV, from a model file that the user brings."""

import hashlib
import threading
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fakedet.detector.face import Face
from fakedet.detector.finders.search import SEARCH_PIXELS, as_landmarks, search
from fakedet.errors import UserError

CONFIDENCE = 0.9  # OpenCV's own default; scripts/bench_faces.py --yunet FILE measures it
URL = "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/face_detection_yunet_2023mar.onnx"
SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
_OVERLAP = 0.3  # of two boxes that share more of their union, the better one stays


class YuNet:
    """The detector of Wu, Peng and Yu, YuNet, Machine Intelligence Research 2023; five landmarks.

    May be used from several threads; they wait for each other.
    """

    name = "yunet"

    def __init__(self, model_file: Path | None, confidence: float = CONFIDENCE) -> None:
        """Load the network.

        Args:
            model_file: `face_detection_yunet_2023mar.onnx`, or another file of the same layout.
            confidence: of the faces that count, 0 to 1.

        Raises:
            UserError: when there is no such file, or OpenCV cannot read it.
        """
        if model_file is None or not model_file.is_file():
            what = "a model file" if model_file is None else f"{model_file}, which does not exist"
            raise UserError(f"face.finder=yunet needs {what}: get it from {URL}")
        try:
            self._detector = cv2.FaceDetectorYN.create(str(model_file), "", (32, 32), confidence, _OVERLAP)
        except cv2.error as error:
            raise UserError(f"{model_file} is no network that OpenCV can read: get it from {URL}") from error
        self._lock = threading.Lock()
        digest = hashlib.sha256(model_file.read_bytes()).hexdigest()
        model = "yunet 2023mar" if digest == SHA256 else f"yunet {digest[:16]}"
        self.version = f"{model}, confidence {confidence:.2f}, {SEARCH_PIXELS} pixels"

    def find(self, image: NDArray[np.uint8]) -> list[Face]:
        """Faces of an RGB picture (height, width, 3), largest first, with landmarks."""
        return search(image, self._find)

    def _find(self, image: NDArray[np.uint8]) -> list[Face]:
        height, width = image.shape[:2]
        with self._lock:
            self._detector.setInputSize((width, height))
            found = self._detector.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
        faces = []
        for left, top, across, down, *points, score in [] if found is None else found.tolist():
            landmarks = as_landmarks(list(zip(points[::2], points[1::2], strict=True)))
            faces.append(Face((left, top, left + across, top + down), score, landmarks))
        return faces
