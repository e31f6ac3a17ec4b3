"""Networks with one logit, one file a family; a new file here registers itself.

Nothing below is imported before it is asked for: the script that finds its weights already in the
cache need not wait for torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fakedet.models.detector import load_detector
    from fakedet.models.pretrained import check_preprocess, check_size
    from fakedet.models.registry import Network, build, names

__all__ = ["Network", "build", "check_preprocess", "check_size", "load_detector", "names"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    home = {"check_preprocess": "pretrained", "check_size": "pretrained", "load_detector": "detector"}.get(
        name, "registry"
    )
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
