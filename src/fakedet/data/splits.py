"""Splits that no group crosses, the same on every machine."""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

from fakedet.data.manifest import FAKE, REAL
from fakedet.errors import UserError

CLASS_NAMES = {REAL: "real", FAKE: "fake"}


def order_by_hash(names: list[str], seed: int) -> list[str]:
    """Names in an order that depends on nothing but the names and the seed."""
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())


def split_by_group(rows: pd.DataFrame, shares: Mapping[str, float], seed: int) -> pd.Series:
    """Give every row a split so that all rows of a group share one.

    Groups that hold the same classes (only real, only fake, both) form a stratum; each stratum is put
    in hash order and cut at the wanted shares, so both classes reach every split, and neither file
    order nor machine matters. The few groups of a small stratum train, if every split gets their classes
    from others.

    Args:
        rows: needs `group` and `label`.
        shares: wanted share of groups for each split but `train`, which takes the rest.
        seed: another seed, another split.

    Returns:
        The split of each row, index-aligned.

    Raises:
        UserError: when there are too few groups for each split to get both classes.
    """
    strata: dict[tuple[int, ...], list[str]] = {}
    for group, labels in rows.groupby("group")["label"]:
        strata.setdefault(tuple(sorted(set(labels))), []).append(str(group))
    wanted = [name for name, share in shares.items() if share > 0]
    large = {kinds for kinds, members in strata.items() if len(members) > len(wanted)}
    everywhere = {label for kinds in large for label in kinds}
    split_of: dict[str, str] = {}
    for kinds, members in strata.items():
        names = order_by_hash(members, seed)
        start = 0
        if kinds not in large and not everywhere.issuperset(kinds):
            kind = " and ".join(CLASS_NAMES[label] for label in kinds)
            raise UserError(
                f"{len(names)} group{'s' if len(names) > 1 else ''} of {kind} images cannot fill "
                f"{len(wanted) + 1} splits ({', '.join(['train', *wanted])}): add images, or group more finely."
            )
        for position, split in enumerate(wanted if kinds in large else []):
            left_for_others = len(wanted) - position
            count = min(max(1, round(shares[split] * len(names))), len(names) - start - left_for_others)
            split_of.update(dict.fromkeys(names[start : start + count], split))
            start += count
        split_of.update(dict.fromkeys(names[start:], "train"))
    return rows["group"].astype(str).map(split_of)


def share_out(
    weights: Mapping[str, int],
    shares: Mapping[str, float],
    seed: int,
    ties: Mapping[str, Mapping[str, int]] = MappingProxyType({}),
    placed: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """Give every unit a split, so that the weights come close to the shares and few ties are cut.

    Units take turns in hash order; those heavier than the smallest split come before, the heaviest first.
    A unit with ties goes where most of them are, times the room that is left there, which is the linear
    greedy rule of Stanton & Kliot, "Streaming graph partitioning for large distributed graphs", KDD 2012;
    one without goes where it fits and most is lacking. No split stays empty where there are units enough,
    and where there are ties, none is too small for two units.

    Args:
        weights: of each unit by its name, above 0.
        shares: wanted share of the weight for each split but `train`, which takes the rest.
        seed: another seed, another order.
        ties: unit -> other unit -> how strongly they should share a split, both ways.
        placed: the splits of further units that `ties` names.

    Returns:
        The split of each unit.
    """
    total = sum(weights.values())
    parts = {split: share for split, share in shares.items() if share > 0}
    tied = len(weights) > 2 * len(parts) + 1 and any(name in ties for name in weights)
    pair = 2 * total / len(weights) if tied else 0.0
    wanted = {split: max(share * total, pair) for split, share in parts.items()}
    wanted = {"train": max(total - sum(wanted.values()), pair), **wanted}
    smallest = min(wanted.values())
    order = sorted(order_by_hash(list(weights), seed), key=lambda name: -max(weights[name], smallest))
    lacks = dict(wanted)
    empty = set(wanted) if len(weights) >= len(wanted) else set()
    split_of: dict[str, str] = {}

    def suits(split: str) -> tuple[float, float, float]:
        lack = lacks[split]
        return pull.get(split, 0.0), lack / wanted[split] if lack >= weight else 0.0, lack

    for left, name in zip(range(len(order), 0, -1), order, strict=True):
        weight = weights[name]
        pull: dict[str, float] = {}
        for other, strength in ties.get(name, {}).items():
            split = split_of.get(other, placed.get(other, ""))
            if split:
                pull[split] = pull.get(split, 0.0) + strength * max(lacks[split], 0.0) / wanted[split]
        # In the splits' order, so that chance has no part where two suit alike.
        choice = [split for split in wanted if split in empty] if left <= len(empty) else wanted
        split_of[name] = chosen = max(choice, key=suits)
        lacks[chosen] -= weight
        empty.discard(chosen)
    return split_of


def complete_splits(rows: pd.DataFrame, shares: Mapping[str, float], seed: int) -> pd.DataFrame:
    """Honour the splits that the data came with and cut those that it lacks from its training part.

    Args:
        rows: `split` may be missing as a column, or be given for all rows.

    Raises:
        UserError: when given splits cut a group apart, or are given for some rows only.
    """
    if "split" not in rows or rows["split"].isna().all():
        return rows.assign(split=split_by_group(rows, shares, seed))
    if rows["split"].isna().any():
        raise UserError(f"{int(rows['split'].isna().sum())} rows have no split while others have one.")
    counts = rows.groupby("group")["split"].nunique()
    crossing = counts[counts > 1]
    if len(crossing):
        raise UserError(
            f"{len(crossing)} groups stand in more than one of the given splits; the first is {crossing.index[0]}."
        )
    given = set(rows["split"])
    lacking = {split: share for split, share in shares.items() if split not in given}
    training = rows["split"] == "train"
    if lacking and training.any():
        rows = rows.copy()
        rows.loc[training, "split"] = split_by_group(rows[training], lacking, seed)
    return rows


def limit_by_group(rows: pd.DataFrame, limit: int, seed: int) -> pd.DataFrame:
    """About `limit` rows for a quick try: both classes alike, splits in proportion, groups in turn.

    Groups take turns in hash order, one row of each class a turn, so few rows still show many groups, and
    a fake comes with the real of its group.

    Args:
        rows: needs `group`, `label` and `split`; no group crosses a split.
        limit: wanted number of rows; each class of a split gets its part of it, and one row at least.

    Returns:
        A subset of the rows, in their order.
    """
    place = {name: position for position, name in enumerate(order_by_hash(list(rows["group"].unique()), seed))}
    turns = pd.DataFrame(
        {"turn": rows.groupby(["group", "label"]).cumcount(), "place": rows["group"].map(place)}
    ).sort_values(["turn", "place"])
    kept: list[int] = []
    for _, part in rows.groupby("split"):
        classes = part.groupby("label").groups.values()
        share = max(1, round(limit * len(part) / len(rows) / len(classes)))
        for members in classes:
            kept.extend(turns.index[turns.index.isin(members)][:share])
    return rows.loc[sorted(kept)].reset_index(drop=True)


def check_classes(labels: pd.Series, split: str) -> None:
    """Raise a `UserError` when the labels of a split lack a class."""
    for label, name in CLASS_NAMES.items():
        if not (labels == label).any():
            raise UserError(
                f"The {split} split holds no {name} image ({len(labels)} in all): both classes are needed there."
            )
