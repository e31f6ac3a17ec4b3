"""Networks with one logit, one file a family; a new file here registers itself.

Nothing below is imported before it is asked for: the script that finds its weights already in the
cache need not wait for torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fakedet.models.pretrained import check_preprocess
    from fakedet.models.registry import Network, build, names

__all__ = ["Network", "build", "check_preprocess", "names"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from fakedet.models import pretrained, registry

    return getattr(pretrained if name == "check_preprocess" else registry, name)
