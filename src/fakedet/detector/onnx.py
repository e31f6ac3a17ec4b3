"""A shipped network run by ONNX Runtime."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from fakedet.detector.scorer import ModelError
from fakedet.errors import UserError

INPUT, LOGIT, PROBABILITY, MAP = "image", "logit", "probability", "map"


class OnnxScorer:
    """A `Scorer` on the processor, in the file's own precision. May be called from several threads."""

    def __init__(self, data: bytes, size: int, threads: int | None = None) -> None:
        """Load the network and try it.

        Args:
            data: the file, as `shipped.read` gives it.
            size: side of its input in pixels, as its card says.
            threads: of one call; None takes all cores that this process may use.

        Raises:
            UserError: when ONNX Runtime cannot run it, or its inputs and outputs are not a detector's.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what goes wrong is in the exception
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's have no common class
            raise UserError(f"ONNX Runtime {onnxruntime.__version__} cannot load it ({short(error)}).") from error
        check_ports(
            [_port(value) for value in self._session.get_inputs()],
            [_port(value) for value in self._session.get_outputs()],
            size,
        )
        self.has_maps = MAP in [port.name for port in self._session.get_outputs()]
        self(np.zeros((2, 3, size, size), np.float32), self.has_maps)

    def __call__(
        self, inputs: NDArray[np.float32], maps: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
        """As `Scorer` says."""
        wanted = [LOGIT, MAP] if maps and self.has_maps else [LOGIT]
        try:
            found = self._session.run(wanted, {INPUT: inputs})
        except Exception as error:  # as above
            raise ModelError(f"ONNX Runtime cannot run the network ({short(error)}).") from error
        return checked_outputs(found, len(inputs))


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Port:
    """An input or output of a network.

    Attributes:
        name: of it.
        is_float: whether it is float32.
        shape: lengths; None for one that is free.
    """

    name: str
    is_float: bool
    shape: list[int | None]


def check_ports(inputs: Sequence[Port], outputs: Sequence[Port], size: int) -> None:
    """Hold a network's inputs and outputs to a detector's.

    Raises:
        UserError: naming what differs.
    """
    if [port.name for port in inputs] != [INPUT]:
        raise UserError(f"it has the inputs {_names(inputs)} instead of {INPUT} alone.")
    if not inputs[0].is_float or inputs[0].shape != [None, 3, size, size]:
        raise UserError(
            f"its input has the shape {inputs[0].shape!s:.80} instead of any number × 3 × {size} × {size} float32, "
            "as its card says."
        )
    if not {LOGIT, PROBABILITY} <= {port.name for port in outputs} <= {LOGIT, PROBABILITY, MAP}:
        raise UserError(f"it has the outputs {_names(outputs)} instead of {LOGIT}, {PROBABILITY} and perhaps {MAP}.")
    for port in outputs:
        if not port.is_float or len(port.shape) != (3 if port.name == MAP else 1):
            raise UserError(f"its output {port.name} of the shape {port.shape!s:.80} is not a detector's.")


def _port(value: Any) -> Port:
    shape = [length if isinstance(length, int) else None for length in value.shape]
    return Port(value.name, value.type == "tensor(float)", shape)


def _names(ports: Sequence[Port]) -> str:
    return f"{', '.join(port.name for port in ports):.80}"


def checked_outputs(
    found: list[NDArray[np.float32]], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
    """Logits and maps of a batch, held to their shapes.

    Raises:
        ModelError: when they have others.
    """
    logits, maps = found[0], found[1] if len(found) > 1 else None
    if logits.shape != (count,) or (maps is not None and (maps.ndim != 3 or len(maps) != count or 0 in maps.shape)):
        shapes = " and ".join(str(list(part.shape)) for part in found)
        raise ModelError(f"The network gives {shapes} for {count} pictures, which no detector does: export it again.")
    return logits.astype(np.float64), maps


def short(error: Exception) -> str:
    """An engine's own words, in one line that is not too long."""
    return " ".join(str(error).split())[:200]
