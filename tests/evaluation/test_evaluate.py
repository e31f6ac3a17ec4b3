"""Evaluation from a checkpoint alone: the same numbers, other data, and images that were trained on."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from runs import evaluate_here, metrics, train_here

from fakedet.errors import UserError
from fakedet.models import checkpoint


@pytest.fixture(scope="module")
def images(make_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data") / "images", groups=30, size=40)


@pytest.fixture(scope="module")
def run(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(images.parent)
        return train_here(folder / "run", Path(images.name), "trainer.max_epochs=1")


@pytest.mark.parametrize("split", [None, "val"])
def test_the_numbers_of_the_training_come_back_from_the_checkpoint_alone(
    split: str | None, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # not where the training was started, whose data.root was relative
    moved = tmp_path / "detector.ckpt"
    moved.write_bytes(checkpoint.find(run).read_bytes())
    again = evaluate_here(tmp_path / "again", f"ckpt={moved}", *([f"split={split}"] if split else []))
    name = split or "test"
    trained, evaluated = metrics(run), metrics(again)
    assert list(evaluated["splits"]) == [name]
    assert evaluated["splits"][name] == trained["splits"][name]
    assert (evaluated["protocol"], evaluated["leaked"]) == (trained["protocol"], 0)
    before, after = (pd.read_parquet(folder / "predictions.parquet") for folder in (run, again))
    before = before[before["split"] == name].reset_index(drop=True)
    assert list(before) == list(after)
    assert before["path"].tolist() == after["path"].tolist()
    np.testing.assert_allclose(before["logit"], after["logit"], rtol=0, atol=1e-9)
    assert {"metrics.json", "predictions.parquet", "report.html", "figures"} <= {file.name for file in again.iterdir()}


def test_other_data_is_scored_whole_unless_it_has_a_test_split(
    run: Path, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    few = make_folder(tmp_path / "few", groups=2, size=50)
    found = evaluate_here(tmp_path / "1", f"ckpt={run}", "data=folder", f"data.root={few}", "data.workers=0")
    assert metrics(found)["splits"]["all"]["images"] == 4
    assert metrics(found)["dataset"] == "few"
    split = make_folder(tmp_path / "split", groups=10, size=50, layout="splits")
    found = evaluate_here(tmp_path / "2", f"ckpt={run}", "data=folder", f"data.root={split}", "data.workers=0")
    assert {name: entry["images"] for name, entry in metrics(found)["splits"].items()} == {"test": 4}


def test_images_that_were_trained_on_are_refused_or_said_first(
    run: Path, images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fakedet")
    known = set(pd.read_parquet(run / "predictions.parquet")["path"])
    first = min(f"fake/{file.name}" for file in (images / "fake").iterdir() if f"fake/{file.name}" not in known)
    with pytest.raises(UserError, match=rf"36 of these 36 images were trained on, the first is {first}:"):
        evaluate_here(tmp_path / "1", f"ckpt={run}", "split=train")
    # The same files elsewhere, under other names.
    copy = tmp_path / "copy"
    for label in ("real", "fake"):
        (copy / label).mkdir(parents=True)
        for file in (images / label).iterdir():
            (copy / label / f"x{file.name}").write_bytes(file.read_bytes())
    with pytest.raises(UserError, match=r"36 of these 60 images were trained on"):
        evaluate_here(tmp_path / "2", f"ckpt={run}", "data=folder", f"data.root={copy}", "data.workers=0")
    assert not (tmp_path / "2" / "metrics.json").exists()

    found = evaluate_here(tmp_path / "3", f"ckpt={run}", "split=train", "allow_leak=true")
    assert metrics(found)["leaked"] == 36
    page = (found / "report.html").read_text()
    assert "LEAK: 36 of these images were trained on" in page
    assert page.index("LEAK: 36") < page.index("Average precision")


def test_the_most_confident_mistakes_are_shown_with_what_they_rest_on(run: Path, tmp_path: Path) -> None:
    found = evaluate_here(tmp_path / "again", f"ckpt={run}", "split=val")
    rows = pd.read_parquet(found / "predictions.parquet")
    threshold = metrics(found)["decision"]["threshold"]
    mistakes = rows[(rows["score"] > threshold) != (rows["label"] == 1)]
    assert len(mistakes) > 0, "one epoch leaves some"
    assert (found / "figures" / "panel_most_confident_mistakes_val.png").stat().st_size > 1000


def test_every_image_unreadable_in_one_class_is_said_and_nothing_breaks(
    run: Path, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    images = make_folder(tmp_path / "other", groups=3, size=50)
    for file in (images / "fake").iterdir():
        file.write_bytes(b"no picture")
    found = evaluate_here(
        tmp_path / "run",
        f"ckpt={run}",
        "data=folder",
        f"data.root={images}",
        "data.workers=0",
        "data.max_unreadable=0.5",
    )
    entry = metrics(found)["splits"]["all"]
    assert (entry["real"], entry["fake"], entry["unreadable"]) == (3, 0, 3)
    assert entry["metrics"]["auc"]["value"] is None
    assert len(pd.read_csv(found / "quarantine.csv")) == 3


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["split=nonsense"], "split=nonsense"),
        (["device=nonsense"], "device=nonsense cannot be used"),
        (["ckpt=/nowhere.ckpt"], r"There is no checkpoint /nowhere\.ckpt"),
    ],
)
def test_what_the_caller_can_mend_is_one_sentence(
    overrides: list[str], sentence: str, run: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=sentence) as refused:
        evaluate_here(tmp_path / "run", f"ckpt={run}", *overrides)
    assert "\n" not in str(refused.value)


def test_data_that_is_gone_is_said(run: Path, images: Path, tmp_path: Path) -> None:
    images.rename(images.with_name("elsewhere"))
    try:
        with pytest.raises(UserError, match="images is not a folder"):
            evaluate_here(tmp_path / "run", f"ckpt={run}")
    finally:
        images.with_name("elsewhere").rename(images)
