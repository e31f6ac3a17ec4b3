"""From frames to videos: one row a video, so that a long video counts no more than a short one."""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakedet.data.manifest import OF_A_VIDEO, check_videos
from fakedet.errors import UserError, did_you_mean
from fakedet.evaluation.statuses import GIVEN, WITHOUT_SCORE
from fakedet.evaluation.summary import scored

HOW = ("mean", "median", "max", "top-3", "trimmed")
_TENTH = 10  # one frame in so many is left out at each end

Counts = NDArray[np.intp]


def to_videos(rows: pd.DataFrame, how: str = "mean") -> pd.DataFrame:
    """One row a video, from the manifest's column `video`; an image without one stands alone.

    The folders of a path are not looked at: `000_003` lies below every method of FaceForensics++, and
    frames grouped by that name make one video of four.

    Args:
        rows: predictions, one row an image; those that could not be read count in no score.
        how: what becomes of the frames' scores: `mean`, `median`, `max`, `top-3` (mean of the three
            highest; any number), or `trimmed` (mean without the highest and the lowest tenth).

    Returns:
        Columns `path` (the video, or the path of an image that stands alone), those of `label`, `dataset`,
        `method`, `compression`, `group` and `split` that the rows have, `frames` (how many were scored),
        `score` and `face_status`, in the order of first appearance. A video of which no frame was scored
        stays, with no score and the status of its first frame.

    Raises:
        UserError: for an unknown `how`, a missing column, a readable frame without a score, or a video whose
            frames differ in one of these columns.
    """
    lowest, highest = _ranks(how)
    scores = scored(rows)["score"].to_numpy(dtype="float64")
    if "video" not in rows:
        raise UserError("The predictions lack the column video; write them again with evaluate.py.")
    # No path begins with a NUL, so that no image is taken for a frame of a video that is called like it.
    names = rows["video"].where(rows["video"].notna(), "\0" + rows["path"])
    codes, videos = pd.factorize(names)
    first = np.unique(codes, return_index=True)[1]
    check_videos(rows)

    members = codes[~rows["face_status"].isin(WITHOUT_SCORE).to_numpy()]
    order = np.lexsort((scores, members))
    frames = np.bincount(members, minlength=len(videos))
    rank = np.arange(len(order)) - (np.cumsum(frames) - frames)[members[order]]
    low, high = lowest(frames), highest(frames)
    chosen = order[(rank >= low[members[order]]) & (rank < high[members[order]])]
    sums = np.bincount(members[chosen], scores[chosen], minlength=len(videos))
    kept = [column for column in OF_A_VIDEO if column in rows]
    return (
        rows.iloc[first][kept]
        .reset_index(drop=True)
        .assign(
            path=pd.Series(videos).str.removeprefix("\0"),
            frames=frames,
            score=np.divide(sums, high - low, out=np.full(len(videos), np.nan), where=frames > 0),
            face_status=np.where(frames > 0, GIVEN, rows["face_status"].iloc[first]),
        )
    )


def check_pooling(how: str) -> None:
    """Refuse a `how` that `to_videos` does not know."""
    _ranks(how)


def _ranks(how: str) -> tuple[Callable[[Counts], Counts], Callable[[Counts], Counts]]:
    """From which rank to which (exclusive) a video of n frames is averaged, by rising score, from 0."""
    top = re.fullmatch(r"top-([1-9]\d*)", how)
    if top:
        return lambda n: np.maximum(n - int(top[1]), 0), lambda n: n
    known = {
        "mean": (lambda n: 0 * n, lambda n: n),
        "median": (lambda n: (n - 1) // 2, lambda n: n // 2 + 1),
        "max": (lambda n: n - 1, lambda n: n),
        "trimmed": (lambda n: n // _TENTH, lambda n: n - n // _TENTH),
    }
    if how not in known:
        raise UserError(f"pooling={how} is none of {', '.join(HOW)}{did_you_mean(how, HOW)}.")
    return known[how]
