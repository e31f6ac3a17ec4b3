"""One picture's way through the detector, on a thread of its own."""

import base64
import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fakedet.detector.detector import Detector
from fakedet.detector.image import UNREAD, ImageError, TooLarge, open_header
from fakedet.detector.result import Result
from fakedet.detector.scorer import ModelError
from fakedet.serve.metrics import Metrics
from fakedet.serve.problems import Problem


@dataclass(frozen=True)
class Task:
    """A picture to be judged.

    Attributes:
        name: what the answer calls it, `image 3`: the client's own name for it is not used.
        data: the file's bytes.
        explain: whether heatmaps are wanted.
    """

    name: str
    data: bytes
    explain: bool


@dataclass(frozen=True)
class Answer:
    """What is said of a picture.

    Attributes:
        content: `Result.to_json()`, with a `heatmap` in each finding where one was asked for.
        problem: why there is no verdict, for a picture that cannot be read.
    """

    content: dict[str, Any]
    problem: Problem | None = None


class Judge:
    """A detector, with what a service adds: its own limit of pixels, and heatmaps as PNG files."""

    def __init__(self, detector: Detector, max_pixels: int, metrics: Metrics) -> None:
        self._detector, self._max_pixels, self._metrics = detector, max_pixels, metrics

    def is_sound(self) -> bool:
        """Whether the network gives numbers at all, tried on a black picture."""
        size = self._detector.card.preprocess.size
        try:
            self._detector.score([np.zeros((size, size, 3), np.uint8)], maps=True)
        except ModelError:
            return False
        return True

    def __call__(self, task: Task) -> Answer:
        """Judge a picture; called by several threads at once.

        Raises:
            Problem: when the detector gives no number.
        """
        try:
            open_header(task.data, self._max_pixels)
        except ImageError as error:
            code = "too-many-pixels" if isinstance(error, TooLarge) else "unreadable-image"
            return self._unreadable(task, str(error), code)
        try:
            result = self._detector.predict(task.data, explain=task.explain)
        except ModelError:
            raise Problem("no-verdict", "The detector's file is damaged or does not suit this machine.") from None
        if result.status == "unreadable":
            lacking = result.reasons[0].startswith(UNREAD)  # memory: bytes at hand have no other such reason
            return self._unreadable(task, result.reasons[0], "busy" if lacking else "unreadable-image")
        self._metrics.judged(result)
        # The detector holds its scores to being numbers; a verdict without one must never leave the house.
        if any(not math.isfinite(finding.probability) for finding in result.findings):
            raise Problem("no-verdict", "The detector gave what is no number.")
        content = {**result.to_json(), "name": task.name}
        for finding, shown in zip(result.findings, content["findings"], strict=True):
            if task.explain:
                shown["heatmap"] = None if finding.heatmap is None else _data_uri(finding.heatmap)
        return Answer(content)

    def _unreadable(self, task: Task, reason: str, code: str) -> Answer:
        result = Result(task.name, "unreadable", None, None, None, (), (reason,), None, None, {})
        self._metrics.judged(result)
        return Answer(result.to_json(), Problem(code, f"The picture {reason}."))


def _data_uri(heatmap: NDArray[np.float32]) -> str:
    """8-bit grey PNG, white where the evidence is."""
    done, data = cv2.imencode(".png", np.rint(heatmap * 255).astype(np.uint8))
    assert done
    return "data:image/png;base64," + base64.b64encode(data.tobytes()).decode("ascii")
