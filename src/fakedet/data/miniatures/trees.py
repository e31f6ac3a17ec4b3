"""One door to all miniatures, and what real downloads contain besides."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fakedet.data.miniatures import image_sets, shipped_set, video_sets
from fakedet.data.miniatures.files import write_bytes
from fakedet.detector.image import SUFFIXES
from fakedet.errors import UserError, did_you_mean

_TREES: dict[str, Callable[..., None]] = {
    "faceforensics": video_sets.faceforensics,
    "dfd": video_sets.dfd,
    "celebdf": video_sets.celebdf,
    "celebdf_v1": video_sets.celebdf_v1,
    "dfdc": video_sets.dfdc,
    "dfdc_preview": video_sets.dfdc_preview,
    "df40": image_sets.df40,
    "genimage": image_sets.genimage,
    "cnndetection": image_sets.cnndetection,
    "community_forensics": image_sets.community_forensics,
    "folder": image_sets.folder,
    "shipped": shipped_set.shipped,
}
NAMES = tuple(_TREES)


def make_tree(name: str, root: Path, *, seed: int = 0, **knobs: Any) -> Path:
    """Write the miniature of a data set; files that are there already are written anew.

    Args:
        name: one of `NAMES`; what each holds is said by the function of that name.
        root: becomes the root of the set. FaceForensics++ and DFD may share one.
        seed: the same seed gives the same bytes.
        knobs: what that function takes besides, such as `frames` of a clip (12) or, where the release has
            several, `compressions` (`("c23",)`).

    Returns:
        The root.

    Raises:
        UserError: for an unknown name, or where the folder cannot be written to.
    """
    if name not in _TREES:
        raise UserError(
            f"There is no miniature of {name!r}{did_you_mean(name, NAMES)}; choose from {', '.join(NAMES)}."
        )
    root = Path(root)
    _TREES[name](root, seed, **knobs)
    return root


def media(root: Path) -> list[Path]:
    """Videos and pictures below a folder, sorted, without masks and hidden files."""
    return sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in (".mp4", *SUFFIXES)
        and "masks" not in path.relative_to(root).parts
        and not path.name.startswith(".")
    )


def clutter(root: Path) -> list[Path]:
    """Add what file managers and archives leave behind; none of it is a sample.

    Args:
        root: of a miniature.

    Returns:
        The files: a `.DS_Store` in the root and in the folder of the first sample, there also a hidden file
        named like a sample, and a `Thumbs.db`; and a `__MACOSX` folder.
    """
    first = media(root)[0]
    hidden = f"._{first.name}"
    files = [
        root / ".DS_Store",
        first.parent / ".DS_Store",
        first.parent / "Thumbs.db",
        first.parent / hidden,
        root / "__MACOSX" / first.relative_to(root).parent / hidden,
    ]
    for path in files:
        write_bytes(path, b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X")
    return files


def spoil(root: Path) -> Path:
    """Empty the last sample, as a broken download does.

    Args:
        root: of a miniature.

    Returns:
        The file, which now has no bytes.
    """
    last = media(root)[-1]
    last.write_bytes(b"")
    return last
