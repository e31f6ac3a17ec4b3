import numpy as np
import pandas as pd
import pytest

from fakedet.data.splits import limit_by_group
from fakedet.evaluation.bootstrap import Floats
from fakedet.evaluation.variants import choose_images, resample_aucs, with_interval


def _many(groups: int, frames: int) -> pd.DataFrame:
    """Rows of groups that each hold a real clip and fakes of three methods."""
    rows = [
        {"path": f"{method}/{group:02d}/{frame}.png", "label": int(method != "real"), "group": f"g{group}",
         "method": method, "split": "test"}
        for group in range(groups) for method in ("real", "a", "b", "c") for frame in range(frames)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_few_images_are_balanced_over_classes_groups_and_methods() -> None:
    rows = _many(groups=20, frames=30)
    chosen = choose_images(rows, 160, seed=0)
    assert chosen["label"].value_counts().to_dict() == {0: 80, 1: 80}
    assert chosen.groupby(["group", "label"]).size().unique().tolist() == [4]
    assert chosen["method"].value_counts().loc[["a", "b", "c"]].min() > 10
    assert set(limit_by_group(rows, 160, seed=0)["method"]) == {"real", "a"}  # what a plain cut would take
    assert chosen["path"].is_monotonic_increasing
    assert chosen.index.tolist() == list(range(160))
    pd.testing.assert_frame_equal(chosen, choose_images(rows, 160, seed=0))
    assert set(choose_images(rows, 160, seed=1)["path"]) != set(chosen["path"])
    assert len(choose_images(rows, None, seed=0)) == len(choose_images(rows, 10**6, seed=0)) == len(rows)


def test_a_loss_has_the_interval_of_a_difference_and_an_auc_its_own() -> None:
    rng = np.random.default_rng(0)
    labels, groups = np.tile([0, 1], 100), np.repeat(np.arange(40), 5)
    scores = [labels + rng.normal(size=200), labels + 1.5 * rng.normal(size=200)]

    def numbers(aucs: Floats) -> dict[str, Floats]:
        return {"0 auc": aucs[0], "mean loss": aucs[0] - aucs[1], "drop": aucs[0] - aucs[1]}

    points, found = resample_aucs(labels, groups, scores, numbers, resamples=200, seed=0)
    assert found is not None
    loss, auc = with_interval("mean loss", points, found), with_interval("0 auc", points, found)
    assert (loss["low"], loss["high"]) == found.difference("mean loss")[:2]
    assert loss["value"] - loss["low"] == pytest.approx(loss["high"] - loss["value"])
    assert (auc["low"], auc["high"]) == found.bounds("0 auc")
    assert with_interval("drop", points, found) == loss
    assert with_interval("drop", points, None) == {"value": loss["value"], "low": None, "high": None}
