"""Rows that were scored, to pictures with their heat maps."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from fakedet.data.benchmarks.folder import Folder
from fakedet.detector.image import decode, resize
from fakedet.detector.spec import PreprocessSpec
from fakedet.explain.gradcam import heatmaps
from fakedet.explain.panel import choose_rows, explain_rows
from fakedet.models import build

SPEC = PreprocessSpec(size=64)


@pytest.fixture
def data(make_folder: Callable[..., Path], tmp_path: Path) -> Folder:
    module = Folder(
        root=str(make_folder(tmp_path / "images", groups=6, size=80)), batch_size=4, workers=0, balance=["label"],
        limit=None, val_share=0.0, test_share=0.0, split_seed=0, max_unreadable=0.5, spec=SPEC,
    )  # fmt: skip
    module.prepare()
    return module


def test_a_sample_is_the_same_for_the_same_seed_and_has_as_many_of_each_class() -> None:
    rows = pd.DataFrame({"path": [f"{number}.jpg" for number in range(50)], "label": [0] * 40 + [1] * 10})
    chosen = choose_rows(rows, 6, seed=1)
    assert chosen["label"].value_counts().to_dict() == {0: 6, 1: 6}
    assert not chosen["path"].duplicated().any()
    pd.testing.assert_frame_equal(chosen, choose_rows(rows, 6, seed=1))
    assert choose_rows(rows, 6, seed=2)["path"].tolist() != chosen["path"].tolist()
    assert choose_rows(rows, 20, seed=0)["label"].value_counts().to_dict() == {0: 20, 1: 10}
    assert choose_rows(rows[rows["label"] == 1], 3, seed=0)["label"].tolist() == [1, 1, 1]
    assert choose_rows(rows[:0], 3, seed=0).empty


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.enable_grad])
def test_items_hold_what_the_network_saw_and_their_own_map(mode: Callable[[], object], data: Folder) -> None:
    network = build("resnet18").eval()
    rows = data.split("train").assign(score=np.linspace(0.1, 0.9, 12))
    rows.loc[2, "score"] = np.nan
    with mode():  # type: ignore[attr-defined]
        items = explain_rows(network, data, rows)
    assert [item.name for item in items] == [path for row, path in enumerate(rows["path"]) if row != 2]
    for item in items:
        row = rows[rows["path"] == item.name].iloc[0]
        assert (item.score, item.label) == (row["score"], row["label"])
        assert np.array_equal(item.image, resize(decode(data.root / item.name), SPEC))
        assert item.heat is not None
        assert item.heat.shape == (64, 64)
    images = torch.stack([batch for group in data.evaluation_loader(rows) for batch in group["image"]])
    expected = heatmaps(network, images)[[number for number in range(12) if number != 2]]
    np.testing.assert_allclose(np.stack([item.heat for item in items if item.heat is not None]), expected, atol=1e-5)


def test_a_network_without_a_feature_map_gives_pictures_alone(data: Folder) -> None:
    network = build("timm", model_name="test_vit", img_size=64).eval()
    items = explain_rows(network, data, data.split("train").assign(score=0.5))
    assert len(items) == 12
    assert all(item.heat is None and item.remark == "this network has no map" for item in items)


def test_nothing_scored_gives_nothing(data: Folder) -> None:
    assert explain_rows(build("resnet18"), data, data.split("train").assign(score=np.nan)) == []
