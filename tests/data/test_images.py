import signal
from collections.abc import Callable
from pathlib import Path

import albumentations
import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from fakedet.augment import Pipeline
from fakedet.data.images import Batch, Images, Loader, TrainingImages
from fakedet.data.quarantine import Quarantine
from fakedet.data.sampling import Draw, RankSampler, TrainingSampler
from fakedet.detector.image import decode, preprocess
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError

SPEC = PreprocessSpec(size=32)
AUGMENT = Pipeline([albumentations.HorizontalFlip(p=0.5), albumentations.RandomBrightnessContrast(p=1.0)])


@pytest.fixture
def root(make_folder: Callable[..., Path], tmp_path: Path) -> Path:
    return make_folder(tmp_path / "images", groups=8, size=40)


@pytest.fixture
def rows(root: Path) -> pd.DataFrame:
    paths = sorted(file.relative_to(root).as_posix() for file in root.rglob("*.jpg"))
    return pd.DataFrame({"path": paths, "label": [int(path.startswith("fake")) for path in paths]})


def _training_loader(rows: pd.DataFrame, root: Path, workers: int, epochs: int) -> list[list[Batch]]:
    sampler = TrainingSampler(rows[["label"]], seed=0, batch_size=4, rank=0, world_size=1)
    dataset = TrainingImages(rows, root, SPEC, AUGMENT)
    quarantine = Quarantine(len(rows), 0.5, None)
    loader = Loader(dataset, quarantine, workers=workers, sampler=sampler, batch_size=4)
    batches = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        batches.append(list(loader))
    return batches


def _stack(batches: list[Batch], key: str) -> torch.Tensor:
    return torch.cat([batch[key] for batch in batches])  # type: ignore[literal-required]


def test_evaluation_images_are_the_preprocessed_files(rows: pd.DataFrame, root: Path) -> None:
    loader = Loader(
        Images(rows, root, SPEC),
        Quarantine(len(rows), 0, None),
        workers=0,
        sampler=RankSampler(len(rows), rank=0, world_size=1),
        batch_size=5,
    )
    batches = list(loader)
    assert [len(batch["label"]) for batch in batches] == [5, 5, 5, 1]
    assert _stack(batches, "index").tolist() == list(range(16))
    assert _stack(batches, "label").tolist() == rows["label"].to_list()
    images = _stack(batches, "image")
    assert images.dtype == torch.float32
    for path, image in zip(rows["path"], images, strict=True):
        assert np.array_equal(image.numpy(), preprocess(decode(root / path), SPEC))


@pytest.mark.parametrize("workers", [1, 2])
def test_results_do_not_depend_on_the_number_of_workers(rows: pd.DataFrame, root: Path, workers: int) -> None:
    (root / rows["path"][2]).write_bytes(b"broken")
    alone = _training_loader(rows, root, 0, epochs=2)
    several = _training_loader(rows, root, workers, epochs=2)
    for epoch in range(2):
        for key in ("image", "label", "index"):
            assert torch.equal(_stack(alone[epoch], key), _stack(several[epoch], key)), key


@pytest.mark.timeout(60)
def test_workers_start_after_this_process_has_used_opencv(rows: pd.DataFrame, root: Path) -> None:
    cv2.setNumThreads(2)
    noise = np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), dtype=np.uint8)
    cv2.GaussianBlur(noise, (0, 0), 3)  # large enough for OpenCV to start its threads
    for row, path in enumerate(rows["path"]):
        cv2.imwrite(str(root / path), cv2.resize(noise, (1500, 1500 + row)))
    batches = _training_loader(rows, root, 1, epochs=1)[0]
    assert len(_stack(batches, "index")) == 16


def test_epochs_and_copies_are_augmented_differently(rows: pd.DataFrame, root: Path) -> None:
    first, second = _training_loader(rows, root, 1, epochs=2)
    by_row = [dict(zip(_stack(part, "index").tolist(), _stack(part, "image"), strict=True)) for part in (first, second)]
    assert set(by_row[0]) == set(by_row[1]) == set(range(16))
    assert sum(torch.equal(by_row[0][row], by_row[1][row]) for row in range(16)) == 0


def test_a_draw_decides_the_augmentation(rows: pd.DataFrame, root: Path) -> None:
    dataset = TrainingImages(rows, root, SPEC, AUGMENT)
    images = [dataset[Draw(3, seed)]["image"] for seed in (5, 5, 6)]
    assert all(image is not None for image in images)
    assert torch.equal(images[0], images[1])  # type: ignore[arg-type]
    assert not torch.equal(images[0], images[2])  # type: ignore[arg-type]


@pytest.mark.parametrize("label", [0, 1])
def test_an_unreadable_training_image_is_replaced_by_one_of_its_class(
    rows: pd.DataFrame, root: Path, label: int
) -> None:
    broken = int(np.flatnonzero(rows["label"] == label)[0])
    (root / rows["path"][broken]).write_bytes(b"")
    dataset = TrainingImages(rows, root, SPEC, AUGMENT)
    items = [dataset[Draw(broken, seed)] for seed in range(20)]
    assert {item["label"] for item in items} == {label}
    assert all(item["image"] is not None for item in items)
    assert all(item["unreadable"][0] == (rows["path"][broken], "is empty") for item in items)
    assert len({item["index"] for item in items} - {broken}) > 3
    assert all(rows["label"][item["index"]] == label for item in items)


def test_a_class_without_a_readable_image_ends(rows: pd.DataFrame, root: Path) -> None:
    for path in rows["path"][rows["label"] == 1]:
        (root / path).unlink()
    item = TrainingImages(rows, root, SPEC, AUGMENT)[Draw(0, 0)]
    assert item["image"] is None


@pytest.mark.parametrize("workers", [0, 1])
def test_evaluation_leaves_unreadable_images_out_and_names_them(
    rows: pd.DataFrame, root: Path, workers: int, tmp_path: Path
) -> None:
    for row in (1, 4, 5, 6, 7):  # the whole second batch among them
        file = root / rows["path"][row]
        file.write_bytes(file.read_bytes()[:-100])
    quarantine = Quarantine(len(rows), 0.5, tmp_path / "quarantine.csv")
    sampler = RankSampler(len(rows), rank=0, world_size=1)
    loader = Loader(Images(rows, root, SPEC), quarantine, workers=workers, sampler=sampler, batch_size=4)
    batches = list(loader)
    assert _stack(batches, "index").tolist() == [0, 2, 3, *range(8, 16)]
    assert list(quarantine.reasons) == [rows["path"][row] for row in (1, 4, 5, 6, 7)]
    assert (tmp_path / "quarantine.csv").read_text().count("is truncated or damaged") == 5


def test_too_many_unreadable_images_stop_the_pass(rows: pd.DataFrame, root: Path) -> None:
    (root / rows["path"][9]).unlink()
    sampler = RankSampler(len(rows), rank=0, world_size=1)
    quarantine = Quarantine(len(rows), 0.01, None)
    loader = Loader(Images(rows, root, SPEC), quarantine, workers=1, sampler=sampler, batch_size=4)
    with pytest.raises(UserError, match=r"1 of 16 images cannot be read.*cannot be read \(No such file"):
        list(loader)


def test_ctrl_c_still_stops_the_program_that_loads(root: Path, rows: pd.DataFrame) -> None:
    before = signal.getsignal(signal.SIGINT)
    loader = Loader(Images(rows, root, SPEC), Quarantine(len(rows), 0, None), workers=1, batch_size=4)
    assert before is not signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) is before
    assert len(list(loader)) == 4
