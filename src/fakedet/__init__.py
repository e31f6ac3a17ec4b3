"""Detect manipulated and synthetic images: from raw downloads to one detector file.

`Detector` is loaded when it is asked for: importing the package alone loads no library.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fakedet.detector.detector import Detector

__all__ = ["Detector"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from fakedet.detector.detector import Detector

    return Detector
