"""Detectors that read files, and one that reads pictures, scored before and after all images are made alike."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fakedet.data.benchmarks.folder import Folder
from fakedet.detector.decision import Decision
from fakedet.detector.image import decode
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError
from fakedet.evaluation.shortcut import Alike, shortcut_check
from fakedet.models.registry import Network

SPEC = PreprocessSpec(size=48)
CPU = torch.device("cpu")
Write = Callable[[Path, NDArray[np.uint8]], None]


class Grain(nn.Module):
    """Fake is what has little fine detail: it tells compressed or enlarged pictures from others."""

    def __init__(self) -> None:
        super().__init__()
        kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
        self.register_buffer("kernel", kernel.expand(3, 1, 3, 3).clone())

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) to logits (B, 1)."""
        kernel: Tensor = self.kernel  # type: ignore[assignment]
        return 1 - 10 * nn.functional.conv2d(images, kernel, groups=3).abs().mean(dim=(1, 2, 3))[:, None]


class Redness(nn.Module):
    """Fake is what is red somewhere: it reads the picture."""

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) to logits (B, 1)."""
        return (images[:, :1] - images[:, 1:2]).amax(dim=(2, 3)) - 2


def _network(body: nn.Module) -> Network:
    return Network(body, stages=[], head=[], cam_layer=None).eval()


def _png(path: Path, image: NDArray[np.uint8]) -> None:
    assert cv2.imwrite(str(path.with_suffix(".png")), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


def _jpeg(quality: int) -> Write:
    def write(path: Path, image: NDArray[np.uint8]) -> None:
        pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        assert cv2.imwrite(str(path.with_suffix(".jpg")), pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])

    return write


def _small(path: Path, image: NDArray[np.uint8]) -> None:
    _png(path, np.asarray(cv2.resize(image, (24, 24), interpolation=cv2.INTER_AREA), np.uint8))


def _data(root: Path, real: Write, fake: Write, *, red: float = 0.0, number: int = 20) -> Folder:
    """So many pictures of each class, all soft hills with fine grain; a share of the fakes has a red corner."""
    rng = np.random.default_rng(1)
    for label, (name, write) in enumerate((("real", real), ("fake", fake))):
        (root / name).mkdir(parents=True)
        for place in range(number):
            hills = cv2.resize(rng.uniform(60, 190, (5, 5, 3)).astype(np.float32), (72, 72))
            image = (hills + rng.normal(0, rng.uniform(5, 7), hills.shape)).clip(0, 255).astype(np.uint8)
            if label and place < red * number:
                image[10:30, 10:30] = (230, 20, 20)
            write(root / name / f"{place:02d}", image)
    data = Folder(
        root=str(root), batch_size=16, workers=0, balance=["label"], limit=None, val_share=0.0, test_share=0.0,
        split_seed=0, max_unreadable=0.5, spec=SPEC,
    )  # fmt: skip
    data.prepare()
    return data


def test_a_detector_of_compression_is_found_out(tmp_path: Path) -> None:
    data = _data(tmp_path, real=_png, fake=_jpeg(30))
    found = shortcut_check(_network(Grain()), data, data.rows, CPU, Decision(), resamples=200)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["before"]["value"] == 1.0
    assert found["after"]["value"] < 0.75
    assert found["drop"] == pytest.approx(found["before"]["value"] - found["after"]["value"], abs=1e-12)
    assert 0 < found["low"] < found["drop"] < found["high"]
    assert found["finding"] is True
    assert (found["side"], found["quality"]) == (48, 30)
    assert found["qualities"]["real"] == {"low": 100.0, "median": 100.0, "high": 100.0}
    assert found["qualities"]["fake"] == {"low": 30.0, "median": 30.0, "high": 30.0}
    assert "the AUC falls from 1.000 to" in found["says"]
    assert "differ in JPEG quality (real 100, fake 30), at the median" in found["says"]


def test_a_detector_of_size_is_found_out(tmp_path: Path) -> None:
    data = _data(tmp_path, real=_png, fake=_small)
    found = shortcut_check(_network(Grain()), data, data.rows, CPU, Decision(), resamples=200)
    assert found["before"]["value"] == 1.0
    assert found["after"]["value"] < 0.8
    assert found["finding"] is True
    assert (found["side"], found["quality"]) == (24, 90)
    assert {name: spread["median"] for name, spread in found["sizes"].items()} == {"real": 72, "fake": 24}
    assert "differ in shorter side in pixels (real 72, fake 24), at the median" in found["says"]


@pytest.mark.parametrize("fake", [_png, _jpeg(30), _small])
def test_a_detector_of_what_is_seen_keeps_its_score(fake: Write, tmp_path: Path) -> None:
    data = _data(tmp_path, real=_png, fake=fake, red=0.8)
    found = shortcut_check(_network(Redness()), data, data.rows, CPU, Decision(), resamples=200)
    assert found["before"]["value"] > 0.8
    assert abs(found["drop"]) < 0.1
    assert found["finding"] is False
    assert "no sign that the score leans on how files were made" in found["says"]


def test_files_that_are_alike_are_no_finding(tmp_path: Path) -> None:
    data = _data(tmp_path, real=_jpeg(80), fake=_jpeg(80))
    found = shortcut_check(_network(Grain()), data, data.rows, CPU, Decision(), resamples=200)
    assert found["finding"] is False
    assert (found["side"], found["quality"]) == (48, 80)
    assert "differ" not in found["says"]


def test_a_drop_that_all_resamples_share_is_a_finding_without_an_interval(tmp_path: Path) -> None:
    data = _data(tmp_path, real=_png, fake=_jpeg(30))

    class Sharp(Grain):
        """Saturates, so that all scores tie once the pictures are alike."""

        def forward(self, images: Tensor) -> Tensor:
            """(B, 3, S, S) to logits (B, 1)."""
            return (super().forward(images) > -0.2).float()

    found = shortcut_check(_network(Sharp()), data, data.rows, CPU, Decision(), resamples=100)
    assert (found["before"]["value"], found["after"]["value"], found["drop"]) == (1.0, 0.5, 0.5)
    assert (found["low"], found["finding"]) == (None, True)


def test_both_scorings_share_their_draws_and_images(tmp_path: Path) -> None:
    data = _data(tmp_path, real=_jpeg(90), fake=_jpeg(60))
    network = _network(Grain())
    found = shortcut_check(network, data, data.rows, CPU, Decision(), resamples=200)
    assert found == shortcut_check(network, data, data.rows, CPU, Decision(), resamples=200)
    few = shortcut_check(network, data, data.rows, CPU, Decision(), limit=16, resamples=50)
    assert (few["images"], few["groups"]) == (16, 16)


def test_few_groups_are_too_few_to_tell(tmp_path: Path) -> None:
    data = _data(tmp_path, real=_png, fake=_jpeg(30))
    rows = data.rows.assign(group=[f"g{place % 9}" for place in range(len(data.rows))])
    found = shortcut_check(_network(Grain()), data, rows, CPU, Decision(), resamples=50)
    assert found["drop"] > 0.2
    assert found["finding"] is False
    assert "but 9 groups are too few to tell" in found["says"]


def test_unreadable_images_and_single_classes_are_gaps(tmp_path: Path) -> None:
    data = _data(tmp_path, real=_png, fake=_jpeg(30), number=6)
    (tmp_path / "real" / "00.png").write_bytes(b"no picture")
    found = shortcut_check(_network(Grain()), data, data.rows, CPU, Decision(), resamples=20)
    assert found["images"] == 11
    assert list(data.quarantine.reasons) == ["real/00.png"]
    fakes = data.rows[data.rows["label"] == 1]
    alone = shortcut_check(_network(Grain()), data, fakes, CPU, Decision(), resamples=20)
    assert (alone["drop"], alone["low"], alone["finding"]) == (None, None, False)
    assert "no AUC can be given, because not both classes are there" in alone["says"]
    for path in fakes["path"]:
        (tmp_path / path).write_bytes(b"")
    with pytest.raises(UserError, match="None of 6 images can be read; the first is"):
        shortcut_check(_network(Grain()), data, fakes, CPU, Decision())


def test_alike_is_one_size_and_one_compression(tmp_path: Path) -> None:
    wide = np.random.default_rng(0).integers(0, 256, (40, 100, 3), dtype=np.uint8)
    made = Alike(20, 50)(wide, 0)
    assert made.shape == (20, 50, 3)
    _jpeg(50)(tmp_path / "file", np.asarray(cv2.resize(wide, (50, 20), interpolation=cv2.INTER_AREA), np.uint8))
    np.testing.assert_array_equal(made, decode(tmp_path / "file.jpg"))
