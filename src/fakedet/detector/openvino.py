"""A shipped network run by OpenVINO, from the extra of that name."""

import importlib
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fakedet.detector.onnx import INPUT, LOGIT, MAP, Port, check_ports, checked_outputs, cores, short
from fakedet.detector.scorer import ModelError
from fakedet.errors import UserError


class OpenVinoScorer:
    """A `Scorer` on the processor, in the file's own precision. May be called from several threads."""

    def __init__(self, data: bytes, size: int, threads: int | None = None) -> None:
        """Load the network and try it.

        Args:
            data: the file, as `shipped.read` gives it.
            size: side of its input in pixels, as its card says.
            threads: of one call; None takes all cores that this process may use.

        Raises:
            UserError: when the package is missing, OpenVINO cannot run the network, or its inputs and outputs are
                not a detector's.
        """
        try:
            library: Any = importlib.import_module("openvino")
        except ImportError as error:
            raise UserError("engine=openvino needs: pip install 'fake-image-detection[openvino]'.") from error
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads or cores(),
            "INFERENCE_PRECISION_HINT": "f32",  # its default is bf16 on processors that have it
        }
        try:
            core = library.Core()
            model = core.read_model(data, b"")
            inputs, outputs = _ports(model.inputs), _ports(model.outputs)
        except Exception as error:
            raise UserError(f"OpenVINO {library.__version__} cannot load it ({short(error)}).") from error
        check_ports(inputs, outputs, size)
        self._model = core.compile_model(model, "CPU", settings)
        self._own = threading.local()  # a request answers one call at a time
        self.has_maps = MAP in [port.name for port in outputs]
        self(np.zeros((2, 3, size, size), np.float32), self.has_maps)

    def __call__(
        self, inputs: NDArray[np.float32], maps: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float32] | None]:
        """As `Scorer` says."""
        if not hasattr(self._own, "request"):
            self._own.request = self._model.create_infer_request()
        wanted = [LOGIT, MAP] if maps and self.has_maps else [LOGIT]
        try:
            self._own.request.infer({INPUT: inputs})
            found = [np.array(self._own.request.get_tensor(name).data, np.float32) for name in wanted]
        except Exception as error:
            raise ModelError(f"OpenVINO cannot run the network ({short(error)}).") from error
        return checked_outputs(found, len(inputs))


def _ports(values: Any) -> list[Port]:
    return [
        Port(
            value.any_name,
            value.element_type.get_type_name() == "f32",
            [length.get_length() if length.is_static else None for length in value.partial_shape],
        )
        for value in values
    ]
