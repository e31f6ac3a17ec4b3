"""Evaluation from a checkpoint alone: the same numbers, other data, and images that were trained on."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from runs import evaluate_here, metrics, prepare_here, train_here
from sklearn.metrics import roc_auc_score
from wandb_file import offline_runs

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
    assert (evaluated["protocol"], evaluated["leaks"]) == (trained["protocol"], [])
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


def test_a_checkpoint_to_hand_on_is_evaluated_too(run: Path, make_folder: Callable[..., Path], tmp_path: Path) -> None:
    few = make_folder(tmp_path / "few", groups=2, size=50)
    checkpoint.write_bare(checkpoint.find(run), tmp_path / "bare.ckpt")
    found = evaluate_here(
        tmp_path / "1", f"ckpt={tmp_path / 'bare.ckpt'}", "data=folder", f"data.root={few}", "data.workers=0"
    )
    assert metrics(found)["splits"]["all"]["images"] == 4


def test_scores_outlive_a_kill_in_the_checks(
    run: Path, make_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = make_folder(tmp_path / "few", groups=2, size=50)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("fakedet.evaluation.conclusion.explain_rows", killed)
        with pytest.raises(KeyboardInterrupt):
            evaluate_here(tmp_path / "1", f"ckpt={run}", "data=folder", f"data.root={few}", "data.workers=0")
    assert not (tmp_path / "1" / "metrics.json").exists()
    found = evaluate_here(tmp_path / "2", f"predictions={tmp_path / '1'}")
    assert metrics(found)["splits"]["all"]["images"] == 4


def test_a_set_without_a_test_split_is_not_left_out_of_a_mixture_in_silence(
    run: Path, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    sets = {}
    for name, layout in (("cut", "splits"), ("mine", "flat")):
        raw = make_folder(tmp_path / name, groups=10, size=50, **({"layout": layout} if layout == "splits" else {}))
        sets[name] = prepare_here("folder", raw, tmp_path / "prepared" / name, "faces=false")
    chosen = [f"ckpt={run}", "data=mix", f"data.sets={{cut: {sets['cut']}, mine: {sets['mine']}}}", "data.workers=0"]
    with pytest.raises(UserError, match=r"data\.sets: mine has no test split of its own"):
        evaluate_here(tmp_path / "1", *chosen)
    found = evaluate_here(tmp_path / "2", *chosen, "split=all")
    assert metrics(found)["splits"]["all"]["images"] > 20


def test_of_its_own_mixture_the_training_has_decided_what_is_tested(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    sets = {}
    for seed, name in enumerate(("cut", "trained")):
        raw = make_folder(tmp_path / name, groups=12, size=40 + seed, layout="splits")
        if name == "trained":
            shutil.rmtree(raw / "test")
        sets[name] = prepare_here("folder", raw, tmp_path / "prepared" / name, "faces=false")
    mixture = ["data=mix", f"data.sets={{cut: {sets['cut']}, trained: {sets['trained']}}}", "data.test_share=0"]
    run = train_here(tmp_path / "run", tmp_path, *mixture, "trainer.max_epochs=1", "data.batch_size=4")
    found = evaluate_here(tmp_path / "again", f"ckpt={run}")
    assert metrics(found)["splits"] == {"test": metrics(run)["splits"]["test"]}


def test_a_foreign_validation_split_flattered_nobody(
    run: Path, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    own = evaluate_here(tmp_path / "own", f"ckpt={run}", "split=val")
    assert "its checkpoint was chosen on this split" in (own / "report.html").read_text()
    split = make_folder(tmp_path / "split", groups=10, size=50, layout="splits")
    chosen = [f"ckpt={run}", "data=folder", f"data.root={split}", "data.workers=0", "split=val"]
    found = evaluate_here(tmp_path / "foreign", *chosen)
    assert "its checkpoint was chosen on this split" not in (found / "report.html").read_text()


def test_images_that_were_trained_on_are_refused_or_said_first(run: Path, images: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"36 of these 36 images show what the detector was trained on"):
        evaluate_here(tmp_path / "1", f"ckpt={run}", "split=train")
    # The same files elsewhere, under other names.
    copy = tmp_path / "copy"
    for label in ("real", "fake"):
        (copy / label).mkdir(parents=True)
        for file in (images / label).iterdir():
            (copy / label / f"x{file.name}").write_bytes(file.read_bytes())
    with pytest.raises(UserError, match=r"36 of these 60 images show what the detector was trained on"):
        evaluate_here(tmp_path / "2", f"ckpt={run}", "data=folder", f"data.root={copy}", "data.workers=0")
    assert not (tmp_path / "2" / "metrics.json").exists()

    found = evaluate_here(tmp_path / "3", f"ckpt={run}", "split=train", "allow_leak=true")
    assert "36 of these 36 images" in metrics(found)["leaks"][0]
    page = (found / "report.html").read_text()
    assert "LEAK: 36 of these 36 images" in page
    assert page.index("LEAK: 36") < page.index("Average precision")


def test_numbers_and_report_are_made_again_from_the_predictions_alone(
    run: Path, make_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_folder(tmp_path / "other", groups=12, size=50)
    asked = ["data=folder", f"data.root={other}", "data.workers=0", "shortcut=true", "explanations=2"]
    first = evaluate_here(tmp_path / "first", f"ckpt={run}", *asked)
    shutil.rmtree(other)
    table = tmp_path / "elsewhere.parquet"
    (first / "predictions.parquet").rename(table)  # neither its run folder nor a picture is needed
    again = evaluate_here(tmp_path / "again", f"predictions={table}")
    before, after = metrics(first), metrics(again)
    assert after["splits"] == before["splits"]
    assert after["checks"] == before["checks"]
    assert after["decision"] == before["decision"]
    page = (again / "report.html").read_text()
    assert "Scaled and re-encoded alike" in page
    assert (again / "figures" / "roc.png").stat().st_size > 1000


def test_other_groups_give_other_intervals_from_the_same_predictions(
    run: Path, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    images = make_folder(tmp_path / "images", groups=12, size=50)
    files = sorted(f"{label}/{file.name}" for label in ("real", "fake") for file in (images / label).iterdir())
    table = pd.DataFrame({"path": files, "label": [int(path.startswith("fake")) for path in files]})
    table = table.assign(person=[f"p{number % 4}" for number in range(len(files))])
    table.to_csv(images / "labels.csv", index=False)
    place = ["data=folder", f"data.root={images}", "data.workers=0"]
    first = evaluate_here(tmp_path / "first", f"ckpt={run}", *place, "shortcut=true")
    same = evaluate_here(tmp_path / "same", f"predictions={first}", *place)
    assert metrics(same)["protocol"] == metrics(first)["protocol"]
    assert metrics(same)["checks"] == metrics(first)["checks"] != {}
    again = evaluate_here(tmp_path / "again", f"predictions={first}", *place, "data.group_by=person")
    assert metrics(again)["protocol"] != metrics(first)["protocol"], "other groups, another protocol"
    assert metrics(again)["checks"] == {}, "their intervals are over the groups of before"
    before, after = (metrics(folder)["splits"]["all"] for folder in (first, again))
    assert (before["groups"], after["groups"]) == (24, 4)
    assert after["metrics"]["auc"]["value"] == before["metrics"]["auc"]["value"]

    table.assign(label=1 - table["label"]).to_csv(images / "labels.csv", index=False)
    with pytest.raises(UserError, match="24 scored images have another label in the data"):
        evaluate_here(tmp_path / "2", f"predictions={first}", *place, "data.group_by=person")
    table.iloc[2:].to_csv(images / "labels.csv", index=False)
    with pytest.raises(UserError, match=r"2 of 24 scored images are not in the data, such as"):
        evaluate_here(tmp_path / "3", f"predictions={first}", *place, "data.group_by=person")


def test_frames_are_pooled_as_asked(run: Path, make_folder: Callable[..., Path], tmp_path: Path) -> None:
    images = make_folder(tmp_path / "images", groups=12, size=50)
    files = sorted(f"{label}/{file.name}" for label in ("real", "fake") for file in (images / label).iterdir())
    table = pd.DataFrame({"path": files, "label": [int(path.startswith("fake")) for path in files]})
    table = table.assign(video=[f"{path.split('/')[0]}{number % 12 // 3}" for number, path in enumerate(files)])
    table.to_csv(images / "labels.csv", index=False)
    place = ["data=folder", f"data.root={images}", "data.manifest=labels.csv", "data.workers=0"]
    first = evaluate_here(tmp_path / "first", f"ckpt={run}", *place)
    highest = evaluate_here(tmp_path / "highest", f"predictions={first}", "pooling=max")
    by_mean, by_max = (metrics(folder)["splits"]["all"]["video"] for folder in (first, highest))
    assert (by_mean["pooling"], by_max["pooling"]) == ("mean", "max")
    rows = pd.read_parquet(first / "predictions.parquet")
    for entry, how in ((by_mean, "mean"), (by_max, "max")):
        videos = rows.groupby("video").agg(label=("label", "first"), score=("score", how))
        assert entry["images"] == len(videos) == 8
        assert entry["metrics"]["auc"]["value"] == pytest.approx(roc_auc_score(videos["label"], videos["score"]))


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
        (["pooling=mode"], r"pooling=mode .*is none of mean, median"),
        (["predictions=/nowhere", "no_face=abstain"], r"predictions= scores nothing, so .* no_face= do not go with"),
        (["predictions=/nowhere"], r"predictions= scores nothing, so ckpt=, robustness= and no_face= do not go with"),
    ],
)
def test_what_the_caller_can_mend_is_one_sentence(
    overrides: list[str], sentence: str, run: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=sentence) as refused:
        evaluate_here(tmp_path / "run", f"ckpt={run}", *overrides)
    assert "\n" not in str(refused.value)


def _stranger(folder: Path, rows: pd.DataFrame) -> None:
    rows.attrs = {}
    rows.to_parquet(folder)


def _nobody_gives(folder: Path, rows: pd.DataFrame) -> None:
    rows.assign(face_status="guessed").to_parquet(folder)


def _not_a_number(folder: Path, rows: pd.DataFrame) -> None:
    rows.assign(logit=float("nan")).to_parquet(folder)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder, _: folder.write_bytes(b"PAR1 no table"), "cannot be read as a Parquet table"),
        (_stranger, "was not written by this version of evaluate.py"),
        (_nobody_gives, "has the face_status guessed"),
        (_not_a_number, "12 readable images have no score"),
        (lambda folder, _: folder.unlink(missing_ok=True), "There are no predictions"),
    ],
)
def test_predictions_that_are_none_are_refused(
    spoil: Callable[[Path, pd.DataFrame], None], sentence: str, run: Path, tmp_path: Path
) -> None:
    rows = pd.read_parquet(run / "predictions.parquet")
    table = tmp_path / "predictions.parquet"
    spoil(table, rows[rows["split"] == "test"].reset_index(drop=True))
    with pytest.raises(UserError, match=sentence) as refused:
        evaluate_here(tmp_path / "again", f"predictions={table}")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "again" / "metrics.json").exists()


def test_data_that_is_gone_is_said(run: Path, images: Path, tmp_path: Path) -> None:
    images.rename(images.with_name("elsewhere"))
    try:
        with pytest.raises(UserError, match="images is not a folder"):
            evaluate_here(tmp_path / "run", f"ckpt={run}")
    finally:
        images.with_name("elsewhere").rename(images)


def test_an_evaluation_is_tracked_like_a_training(
    run: Path, make_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    other = make_folder(tmp_path / "other", groups=12, size=50)
    asked = [f"ckpt={run}", "data=folder", f"data.root={other}", "data.workers=0", "logger=wandb"]
    found = metrics(evaluate_here(tmp_path / "first", *asked, "run.group=sweep", "shortcut=true"))
    (tracked,) = offline_runs(tmp_path / "logs" / "wandb")
    assert (tracked.group, tracked.exit_code) == ("sweep", 0)
    assert tracked.config["ckpt"] == str(run)
    auc = found["splits"]["all"]["metrics"]["auc"]["value"]
    assert tracked.summary["best/all/auc"] == pytest.approx(auc)
    assert "best/all/roc" in tracked.config["_wandb"]["visualize"]
    assert len(tracked.table("best/all/panel")["data"]) == 12
    drawn = {key for row in tracked.history for key in row if key.startswith("report/")}
    assert {"report/roc", "report/reliability_all"} <= drawn
