"""A file under test, run whole: every output, and how long a picture takes."""

import time
from collections.abc import Sequence

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from fakedet.detector.onnx import INPUT, MAP, cores

_WARM_UP, _ROUNDS = 5, 40


class Session:
    """A file in ONNX Runtime, on the processor."""

    def __init__(self, data: bytes, threads: int | None) -> None:
        """Load it.

        Args:
            data: the file.
            threads: of one call; None takes all cores.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or cores()
        self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        self._names = [port.name for port in self._session.get_outputs()]
        self.has_maps = MAP in self._names

    def run(self, images: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Every output by name, for images (n, 3, S, S)."""
        return dict(zip(self._names, self._session.run(None, {INPUT: images}), strict=True))


def side_by_side(sessions: Sequence[Session], image: NDArray[np.float32]) -> list[float]:
    """Median milliseconds of each for one image (1, 3, S, S), taken in turns so that all see the same machine."""
    times: list[list[float]] = [[] for _ in sessions]
    for _ in range(_WARM_UP + _ROUNDS):
        for session, taken in zip(sessions, times, strict=True):
            start = time.perf_counter()
            session.run(image)
            taken.append(1000 * (time.perf_counter() - start))
    return [float(np.median(taken[_WARM_UP:])) for taken in times]
