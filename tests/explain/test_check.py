"""The whole check on networks whose evidence is known: a red square, seen where it is or where it is not."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from fakedet.data.benchmarks.folder import Folder
from fakedet.detector.image import decode
from fakedet.detector.spec import PreprocessSpec
from fakedet.evaluation.bootstrap import Groups, resample
from fakedet.explain.check import check_explanations
from fakedet.models import Network, build

pytestmark = pytest.mark.filterwarnings("error")

SIDE = 64
CPU = torch.device("cpu")


class Mirror(nn.Module):
    """Turns a picture upside down and left to right: what comes after it has lost its place."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flip(2, 3)


def detector(cells: nn.Conv2d, weight: float, bias: float, first: nn.Module | None = None) -> Network:
    """What the cells find, averaged over the picture, times a weight, plus a bias."""
    linear = nn.Linear(1, 1)
    nn.init.constant_(linear.weight, weight)
    nn.init.constant_(linear.bias, bias)
    features = nn.Sequential(cells, nn.ReLU())
    body = nn.Sequential(first or nn.Identity(), features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)
    return Network(body, stages=[["1"]], head=["4"], cam_layer="1").eval()


def red_detector(*, lost: bool = False, size: int = 4, floor: float = 0.4) -> Network:
    """Its logit rises with how many cells of `size` pixels are redder than `floor`, and only with that."""
    cells = nn.Conv2d(3, 1, size, stride=size)
    red = torch.tensor([1.0, -0.5, -0.5])[None, :, None, None]
    cells.weight = nn.Parameter(red.expand_as(cells.weight) / size**2)
    cells.bias = nn.Parameter(torch.tensor([-floor]))
    return detector(cells, 150.0, -3.0, Mirror() if lost else None)


def interval(values: NDArray[np.float64], groups: Sequence[Any]) -> tuple[float, float]:
    clusters = Groups(np.zeros(len(values)), groups)
    if not clusters.enough:
        return float("nan"), float("nan")
    sums, sizes = np.bincount(clusters.codes, values), np.bincount(clusters.codes)
    return resample(clusters, lambda drawn: {"mean": (drawn @ sums) / (drawn @ sizes)}, 500, 0).bounds("mean")


@pytest.fixture(scope="module")
def data(make_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Fakes with a red square and its mask, reals without either."""
    root = make_folder(tmp_path_factory.mktemp("faith") / "images", groups=16, size=SIDE, layout="csv")
    table = pd.read_csv(root / "labels.csv")
    (root / "masks").mkdir()
    for row in table.index[table["label"] == 1]:
        picture = decode(root / str(table.loc[row, "file"])).astype(int)
        mask = np.where(picture[..., 0] - picture[..., 1] > 100, 255, 0).astype(np.uint8)
        table.loc[row, "mask"] = f"masks/{row}.png"
        cv2.imwrite(str(root / "masks" / f"{row}.png"), mask)
    table.to_csv(root / "labels.csv", index=False)
    module = Folder(
        root=str(root), group_by="original", columns={"path": "file"}, batch_size=16, workers=0, balance=["label"],
        limit=None, val_share=0.0, test_share=0.0, split_seed=0, max_unreadable=0.0,
        spec=PreprocessSpec(size=SIDE, mean=(0, 0, 0), std=(1, 1, 1)),
    )  # fmt: skip
    module.prepare()
    assert module.rows["mask"].notna().sum() == 16
    return module


def predictions(network: Network, data: Folder) -> pd.DataFrame:
    rows = data.split("train")
    with torch.no_grad():
        scores = [network(batch["image"]).sigmoid() for batch in data.evaluation_loader(rows)]
    return rows.assign(score=torch.cat(scores).numpy())


def check(network: Network, data: Folder, **options: Any) -> dict[str, Any]:
    return check_explanations(network, data, predictions(network, data), CPU, interval, **options)


@pytest.fixture(scope="module")
def honest(data: Folder) -> dict[str, Any]:
    return check(red_detector(), data)


def test_maps_of_the_evidence_beat_random_ones(honest: dict[str, Any]) -> None:
    assert honest["images"] == 16  # the fakes, all of them found
    assert honest["notes"] == []
    deletion, insertion = honest["deletion"], honest["insertion"]
    for other in ("random", "usual"):
        assert deletion[f"minus_{other}"]["high"] < -0.1
        assert insertion[f"minus_{other}"]["low"] > 0.1
    for curves in (deletion, insertion):
        for kind in ("gradcam", "random", "usual"):
            assert curves[kind]["area"]["low"] < curves[kind]["area"]["value"] < curves[kind]["area"]["high"]
    assert deletion["gradcam"]["mean"][0] > 0.9
    assert deletion["gradcam"]["mean"][2] < 0.1  # the square is a ninth of the picture
    assert insertion["gradcam"]["mean"][0] < 0.1
    assert insertion["gradcam"]["mean"][2] > 0.9
    for kind in ("gradcam", "random", "usual"):
        assert deletion[kind]["mean"][0] == pytest.approx(insertion[kind]["mean"][-1])
        assert deletion[kind]["mean"][-1] == pytest.approx(insertion[kind]["mean"][0])


def test_maps_of_the_evidence_lie_on_the_mask(honest: dict[str, Any]) -> None:
    assert list(honest["overlap"]) == ["paint", "swap"]
    assert [part["images"] for part in honest["overlap"].values()] == [8, 8]
    for part in [*honest["overlap"].values(), honest["overlap_all"]]:
        assert part["zero_maps"] == 0
        assert part["pointing"]["value"] == 1.0
        assert part["energy"]["value"] > 0.8
        assert part["iou"]["value"] > 0.7
        assert part["energy"]["chance"] == pytest.approx((21 / 64) ** 2, abs=0.02)
        assert part["energy"]["minus_chance"]["low"] > 0.6
        assert part["energy"]["minus_usual"]["low"] > 0.5
    assert honest["overlap_all"]["images"] == 16


def test_maps_that_are_wrong_on_purpose_are_found_out(data: Folder) -> None:
    found = check(red_detector(lost=True), data)
    assert found["images"] == 16
    for other in ("random", "usual"):
        assert found["deletion"][f"minus_{other}"]["value"] > -0.02
        assert found["insertion"][f"minus_{other}"]["value"] < 0.02
    for measure in ("pointing", "energy", "iou"):
        part = found["overlap_all"][measure]
        assert part["value"] < 0.3
        assert part["minus_chance"]["value"] < 0.1
        assert part["minus_usual"]["value"] < 0.1


def test_the_same_seed_gives_the_same_numbers_as_plain_json(data: Folder, honest: dict[str, Any]) -> None:
    again = check(red_detector(), data)
    assert json.loads(json.dumps(again, allow_nan=False)) == honest
    other = check(red_detector(), data, seed=1)
    assert other["deletion"]["random"]["area"] != honest["deletion"]["random"]["area"]
    assert other["deletion"]["gradcam"]["area"]["value"] == pytest.approx(
        honest["deletion"]["gradcam"]["area"]["value"], abs=0.01
    )  # only ties among the cold pixels differ


def test_maps_of_zeros_are_counted_and_no_better_than_random(data: Folder) -> None:
    cells = nn.Conv2d(3, 1, 4, stride=4)
    nn.init.zeros_(cells.weight)
    cells.bias = nn.Parameter(torch.tensor([0.01]))
    found = check(detector(cells, -150.0, 3.0), data, count=12)  # fake always, and nothing speaks for it
    assert (found["images"], found["zero_maps"]) == (12, 12)
    assert found["deletion"]["minus_random"]["value"] == pytest.approx(0, abs=1e-6)
    assert found["overlap_all"]["zero_maps"] == found["overlap_all"]["images"] > 0
    assert {found["overlap_all"][name]["value"] for name in ("pointing", "energy", "iou")} == {0.0}
    assert json.dumps(found, allow_nan=False)


def test_images_are_those_called_fake_evenly_over_methods(data: Folder) -> None:
    network = red_detector()
    rows = data.split("train")
    rows["score"] = np.where(rows["label"] == 1, 0.9, 0.2)
    rows.loc[rows.index[rows["label"] == 0][:2], "score"] = 0.7
    rows.loc[rows.index[rows["method"] == "swap"][0], "score"] = np.nan
    found = check_explanations(network, data, rows, CPU, interval, count=9)
    assert (found["images"], found["zero_maps"]) == (9, 2)  # nothing is red in the two reals
    assert sorted(part["images"] for part in found["overlap"].values()) == [3, 4]
    above = check_explanations(network, data, rows, CPU, interval, threshold=0.8)
    assert (above["images"], above["zero_maps"]) == (15, 0)
    nameless = check_explanations(network, data, rows.assign(method=None), CPU, interval)
    assert {method: part["images"] for method, part in nameless["overlap"].items()} == {"unknown": 15}


def test_without_masks_there_is_no_overlap_and_useless_ones_are_named(data: Folder) -> None:
    network = red_detector()
    rows = predictions(network, data)
    plain = check_explanations(network, data, rows.assign(mask=None), CPU, interval, count=4)
    assert (plain["overlap"], plain["overlap_all"], plain["notes"]) == ({}, None, [])
    assert plain["deletion"]["minus_random"]["value"] < -0.1
    black = np.zeros((SIDE, SIDE), np.uint8)
    cv2.imwrite(str(data.root / "masks" / "black.png"), black)
    cv2.imwrite(str(data.root / "masks" / "small.png"), black[:9, :7])
    fakes = rows.index[rows["label"] == 1]
    for file, reason in {
        "black.png": "marks nothing that the network sees",
        "small.png": "has 7 × 9 pixels, its picture 64 × 64",
        "absent.png": "cannot be read (No such file or directory)",
    }.items():
        spoilt = rows.copy()
        spoilt.loc[fakes[2:4], "mask"] = f"masks/{file}"
        found = check_explanations(network, data, spoilt, CPU, interval)
        assert found["notes"] == [f"2 masks are of no use; the first is masks/{file}, which {reason}."]
        assert (found["images"], found["overlap_all"]["images"]) == (16, 14)


def test_what_cannot_be_checked_is_said(data: Folder) -> None:
    transformer = build("timm", model_name="test_vit", img_size=SIDE).eval()
    (sentence,) = check(transformer, data)["notes"]
    assert "has no feature map" in sentence
    (sentence,) = check(red_detector(), data, threshold=1.0)["notes"]
    assert sentence.startswith("No image has a score above 1,")
    one_cell = check(red_detector(size=SIDE, floor=0.0), data)
    assert "one cell" in one_cell["notes"][0]
    for found in (one_cell, check(transformer, data)):
        assert (found["images"], found["deletion"], found["insertion"], found["overlap"]) == (0, None, None, {})


def test_one_group_gives_neither_intervals_nor_a_usual_map(data: Folder) -> None:
    network = red_detector()
    rows = predictions(network, data).assign(group="one")
    found = check_explanations(network, data, rows, CPU, interval, count=4)
    assert "usual" not in found["deletion"]
    assert found["deletion"]["minus_random"]["value"] < -0.1
    assert (found["deletion"]["minus_random"]["low"], found["overlap_all"]["iou"]["high"]) == (None, None)
    assert (found["overlap_all"]["iou"]["usual"], found["overlap_all"]["iou"]["minus_usual"]) == (None, None)


def test_the_usual_map_is_made_of_other_groups_alone(data: Folder) -> None:
    network = red_detector()
    rows = predictions(network, data)
    pair = rows[rows["label"] == 1].iloc[:2]
    found = check_explanations(network, data, pair, CPU, interval)
    swapped = pair.assign(mask=pair["mask"].to_numpy()[::-1])  # each map on the other picture's mask
    other = check_explanations(network, data, swapped, CPU, interval)
    for measure in ("pointing", "energy", "iou"):
        assert found["overlap_all"][measure]["usual"] == pytest.approx(other["overlap_all"][measure]["value"], abs=1e-6)
