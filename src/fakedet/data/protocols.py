"""Evaluation protocols of data sets with people and clips: which row belongs to which split."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakedet.data.identities import Numbers, Ties, tie
from fakedet.data.manifest import FAKE, REAL
from fakedet.data.splits import CLASS_NAMES, share_out
from fakedet.errors import UserError

APART = "fakes whose people or source clip lie in different splits"
NO_SPLIT = "rows that the official split does not name"
ORDERS = 8  # of people who are swapped with each other; one of them would leave a split without fakes now and then
_TITLES = {"val": "validation", "test": "test"}


@dataclass(frozen=True)
class Division:
    """Rows with their `group` and `split`, and what had to be left out.

    Attributes:
        name: the protocol as it was applied, for reports: `official`, `identity_disjoint`, or
            `clip_disjoint` where nobody is named; with the seed where something was cut by it.
        rows: all rows that have a place.
        dropped: reason -> number of rows without a place.
    """

    name: str
    rows: pd.DataFrame
    dropped: Mapping[str, int]


def official(rows: pd.DataFrame, shares: Mapping[str, float], seed: int) -> Division:
    """The split that the data set came with; what it lacks is cut by identity.

    A lacking validation or test split is cut from the training part as `identity_disjoint` does it, so
    fakes there whose people fall apart are dropped. Test data alone stays as it is. Official splits may
    share people and clips: `group` is the clip that a video was made from, so that intervals count a face and
    its swaps once, and nothing is said here about who crosses.

    Args:
        rows: `split` may be missing for all rows, which is then `identity_disjoint`; rows that it does not
            name while it names others are dropped.
        shares: wanted share of `val` and `test` where they are cut.
        seed: of what is cut.

    Raises:
        UserError: when what is to be cut cannot be.
    """
    given = rows["split"].notna() if "split" in rows else pd.Series(False, index=rows.index)
    if not given.any():
        division = identity_disjoint(rows, shares, seed)
        return Division(f"no official split, {division.name}", division.rows, division.dropped)
    kept = rows[given]
    known = kept.reindex(columns=["group", "video", "source_clip", "path"]).astype("string")
    group = known["group"]
    for name in ("source_clip", "video", "path"):
        group = group.fillna(known[name])
    kept = kept.assign(group=group)
    present = set(kept["split"])
    lacking = {split: share for split, share in shares.items() if split not in present and share > 0}
    name = "official"
    if lacking and "train" in present:
        training = kept["split"] == "train"
        cut, ties = _cut(kept[training], lacking, seed)
        kept = kept.assign(split=kept["split"].mask(training, cut.reindex(kept.index)))
        by = "identity" if ties.people else "clip"
        name += f", {' and '.join(_TITLES[split] for split in lacking)} cut by {by} (seed {seed})"
    placed = kept[kept["split"].notna()]
    return Division(name, placed, _counted({NO_SPLIT: len(rows) - len(kept), APART: len(kept) - len(placed)}))


def identity_disjoint(rows: pd.DataFrame, shares: Mapping[str, float], seed: int) -> Division:
    """Splits that neither a person nor a clip crosses, whatever the official ones are.

    Components of people and clips (`identities.tie`) are put into splits whole. A fake goes where its
    people and its source clip lie, those of all frames of its video; where they lie apart it is dropped.
    To keep many, people who are swapped with each other are put into one split while it has room, and of
    `ORDERS` orders to do so in, the one is taken whose numbers of fakes in the splits have the largest product.

    A component weighs as much as it has real videos or images, one at least. Those that name people and
    those that do not, those with and without each class, and those of each data set are shared out for
    themselves (`splits.share_out`), so that each kind reaches every split if there are enough of it.

    Args:
        rows: see `identities.tie`; a `split` is not looked at.
        shares: wanted share of `val` and `test`.
        seed: another seed, another split.

    Returns:
        Rows whose `group` is the component's name.

    Raises:
        UserError: when a split would lack a class that the rows have.
    """
    cut, ties = _cut(rows, shares, seed)
    kept = cut.notna()
    name = "identity_disjoint" if ties.people else "clip_disjoint"
    if any(share > 0 for share in shares.values()):
        name += f" (seed {seed})"
    placed = rows.assign(group=pd.array(ties.group(), dtype="string"), split=cut)[kept]
    return Division(name, placed, _counted({APART: int((~kept).sum())}))


PROTOCOLS: dict[str, Callable[[pd.DataFrame, Mapping[str, float], int], Division]] = {
    "official": official,
    "identity_disjoint": identity_disjoint,
}


def _counted(dropped: Mapping[str, int]) -> dict[str, int]:
    return {reason: count for reason, count in dropped.items() if count}


def _cut(rows: pd.DataFrame, shares: Mapping[str, float], seed: int) -> tuple[pd.Series, Ties]:
    """The split of each row, missing for fakes that lie apart, and what it was made from."""
    ties = tie(rows)
    splits = ["train", *(split for split, share in shares.items() if share > 0)]
    fake = (rows["label"] == FAKE).to_numpy()
    homes = _homes(rows, ties, fake)
    # Kinds of which there are too few for every split are shared out together, at last.
    few = homes.groupby("kind")["kind"].transform("size") < len(splits)
    homes["kind"] = homes["kind"].mask(few, len(homes))
    swaps = ties.swaps()

    def place(order: int) -> Numbers:
        split_of: dict[str, str] = {}
        for _, part in homes.groupby("kind"):
            weights = dict(zip(ties.names[part.index], part["weight"].tolist(), strict=True))
            split_of |= share_out(weights, shares, order, swaps, split_of)
        at = np.full(len(ties.names), -1)
        at[homes.index] = [splits.index(split_of[name]) for name in ties.names[homes.index]]
        return _places(ties, at, fake)

    def product(found: Numbers) -> int:
        return math.prod(np.bincount(found[fake & (found >= 0)], minlength=len(splits)).tolist())

    found = max((place(seed * ORDERS + number) for number in range(ORDERS if swaps else 1)), key=product)
    cut = pd.Series(np.array([*splits, None], dtype=object)[found], index=rows.index, dtype="string")
    if len(splits) > 1:
        _check_classes(rows["label"], cut, splits, len(homes))
    return cut, ties


def _places(ties: Ties, place: Numbers, fake: NDArray[np.bool_]) -> Numbers:
    """(rows,) where each row lies, given where components do; -1 for fakes that lie apart."""
    return np.where(fake, ties.common(place), place[ties.component[ties.own]])


def _homes(rows: pd.DataFrame, ties: Ties, fake: NDArray[np.bool_]) -> pd.DataFrame:
    """The components, by their smallest node: `weight`, and `kind` as a number."""
    at = _places(ties, ties.component, fake)
    homes = pd.DataFrame(index=np.unique(ties.needs[:, 1]))
    real = pd.DataFrame({"home": at, "video": ties.video})[~fake].drop_duplicates()
    homes["weight"] = real.groupby("home").size().reindex(homes.index, fill_value=1)
    names = rows["dataset"] if "dataset" in rows else pd.Series("", index=rows.index)
    datasets = pd.Series(pd.factorize(names, sort=True)[0]).groupby(at)
    traits = pd.DataFrame(
        {
            "first": datasets.min().reindex(homes.index, fill_value=-1),
            "last": datasets.max().reindex(homes.index, fill_value=-1),
            "named": homes.index < ties.people,
            "real": homes.index.isin(at[~fake]),
            "fake": homes.index.isin(at[fake]),
        }
    )
    homes["kind"] = traits.groupby(list(traits)).ngroup()
    return homes


def _check_classes(labels: pd.Series, cut: pd.Series, splits: Sequence[str], count: int) -> None:
    """Raise a `UserError` when a split lacks a class that the rows have."""
    for split in splits:
        inside = set(labels[cut == split])
        for label in (REAL, FAKE):
            if label not in inside and (labels == label).any():
                raise UserError(
                    f"{count} people and clips cannot fill {len(splits)} splits ({', '.join(splits)}): {split} would "
                    f"get no {CLASS_NAMES[label]} image; change data.val_share and data.test_share, or data.split_seed."
                )
