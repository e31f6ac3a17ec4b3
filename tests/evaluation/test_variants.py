import pandas as pd

from fakedet.data.splits import limit_by_group
from fakedet.evaluation.variants import choose_images


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
