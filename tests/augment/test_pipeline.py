import multiprocessing
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import albumentations
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from fakedet.augment import Pipeline, build
from fakedet.errors import UserError
from fakedet.instantiation import instantiate

YAMLS = sorted((Path(__file__).parents[2] / "conf" / "augmentation").glob("*.yaml"))
JPEG = "albumentations.ImageCompression"


def picture(seed: int = 0, shape: tuple[int, int] = (64, 48)) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def load(path: Path) -> Pipeline:
    pipeline = instantiate(yaml.safe_load(path.read_text()))
    assert isinstance(pipeline, Pipeline)
    return pipeline


def strong() -> Pipeline:
    return load(next(path for path in YAMLS if path.stem == "strong"))


@pytest.mark.parametrize("path", YAMLS, ids=lambda path: path.stem)
def test_shipped_pipelines_keep_form_and_input(path: Path) -> None:
    pipeline, image = load(path), picture()
    for seed in range(30):
        augmented = pipeline(image, seed)
        assert augmented.shape == image.shape
        assert augmented.dtype == np.uint8
    assert (image == picture()).all()


def test_none_is_identity_and_the_others_are_not() -> None:
    changed = {
        path.stem: sum(bool((load(path)(picture(), seed) != picture()).any()) for seed in range(20)) for path in YAMLS
    }
    assert changed["none"] == 0
    assert changed["standard"] >= 10
    assert changed["strong"] >= changed["standard"]


def test_every_transform_of_a_yaml_does_something() -> None:
    for path in YAMLS:
        for entry in yaml.safe_load(path.read_text())["transforms"]:
            pipeline = build([{**entry, "p": 1.0}])
            assert any((pipeline(picture(), seed) != picture()).any() for seed in range(5)), entry


def test_result_depends_on_picture_and_seed_alone() -> None:
    pipeline = strong()
    first = [pipeline(picture(), seed) for seed in range(20)]
    for seed in reversed(range(20)):
        assert (pipeline(picture(), seed) == first[seed]).all()
    np.random.seed(1)  # noqa: NPY002 - the global state must not matter
    copy = pickle.loads(pickle.dumps(pipeline))
    assert all((copy(picture(), seed) == first[seed]).all() for seed in range(20))
    assert len({image.tobytes() for image in first}) > 15


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_give_what_one_process_gives(start: str) -> None:
    pipeline = strong()
    draws = [(picture(), seed) for seed in range(12)]
    alone = [pipeline(image, seed) for image, seed in draws]
    with multiprocessing.get_context(start).Pool(2) as workers:
        shared = workers.starmap(pipeline, reversed(draws), chunksize=1)
    assert all((one == other).all() for one, other in zip(alone, reversed(shared), strict=True))


def test_transforms_are_drawn_independently() -> None:
    flips = Pipeline([albumentations.HorizontalFlip(p=0.5), albumentations.VerticalFlip(p=0.5)])
    image = picture()
    outcomes = {
        "none": image,
        "horizontal": image[:, ::-1],
        "vertical": image[::-1],
        "both": image[::-1, ::-1],
    }
    seen = [name for seed in range(200) for name, wanted in outcomes.items() if (flips(image, seed) == wanted).all()]
    assert {name: 30 < seen.count(name) < 70 for name in outcomes} == dict.fromkeys(outcomes, True)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"_target_": JPEG, "quality_lower": 40}, ["ImageCompression", "quality_lower"]),
        ({"_target_": JPEG, "quality_rang": [40, 90]}, ["quality_rang", "did you mean quality_range?"]),
        ({"_target_": "albumentations.HorizontalFlip", "prob": 0.5}, ["HorizontalFlip", "prob"]),
        ({"_target_": JPEG, "quality_range": [40, 900]}, ["ImageCompression", "quality_range", "900"]),
        ({"_target_": JPEG, "p": 2}, ["ImageCompression", "p=2"]),
        ({"_target_": JPEG, "quality_range": "high"}, ["quality_range='high'"]),
        ({"_target_": "albumentations.HorizontalFlop"}, ["did you mean albumentations.HorizontalFlip?"]),
        ({"_target_": "albumentations.Compose", "transforms": []}, ["Compose", "no transform"]),
        ({"p": 0.5}, ["no transform"]),
    ],
)
def test_wrong_entries_are_refused_by_name(entry: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as refusal:
        build([entry])
    text = str(refusal.value)
    assert all(word in text for word in words), text
    assert "\n" not in text
    assert text.endswith(".")


def test_refusal_arrives_through_hydra() -> None:
    node = {"_target_": "fakedet.augment.build", "_recursive_": False}
    with pytest.raises(UserError, match="quality_lower"):
        instantiate({**node, "transforms": [{"_target_": JPEG, "quality_lower": 40}]})


@pytest.mark.parametrize(
    "transform", [albumentations.RandomCrop(16, 16), albumentations.Normalize(), albumentations.ToFloat()]
)
def test_other_size_or_type_is_refused(transform: albumentations.BasicTransform) -> None:
    transform.p = 1.0
    with pytest.raises(UserError, match=type(transform).__name__):
        Pipeline([transform])(picture(), seed=0)


def test_importing_albumentations_here_asks_no_server() -> None:
    script = (
        "import urllib.request\n"
        "def refuse(*args, **kwargs): raise SystemExit('asked the network')\n"
        "urllib.request.OpenerDirector.open = refuse\n"
        "import fakedet.augment"
    )
    environment = {key: value for key, value in os.environ.items() if key != "NO_ALBUMENTATIONS_UPDATE"}
    command = [sys.executable, "-W", "error::UserWarning:albumentations", "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
