"""The story of a training run, on tiny folders: what it learns, leaves, tells the trackers and refuses."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from runs import PANEL, ROOT, evaluate_here, metrics, start, train_config, train_here, train_overrides
from wandb_file import offline_runs

from fakedet.data.manifest import COLUMNS
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError
from fakedet.instantiation import instantiate
from fakedet.models import checkpoint

RESIZING = "fakedet.training.callbacks.resizing.ProgressiveResizing"
RESNET = "model.model_name=test_resnet"


@pytest.fixture(scope="module")
def images(make_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data") / "images", groups=40, size=40)


@pytest.fixture(scope="module")
def run(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_here(tmp_path_factory.mktemp("train") / "run", images, RESNET)


def test_it_learns_what_can_be_learned(run: Path) -> None:
    assert metrics(run)["splits"]["val"]["metrics"]["auc"]["value"] > 0.9
    assert metrics(run)["splits"]["test"]["metrics"]["auc"]["value"] > 0.9


def test_it_leaves_everything_in_the_run_folder(run: Path) -> None:
    assert {"best.ckpt", "last.ckpt"} == {file.name for file in (run / "checkpoints").iterdir()}
    assert "data:image/png;base64" in (run / "report.html").read_text()
    drawn = {file.stem for file in (run / "figures").iterdir()}
    assert {"roc", "precision_recall", "confusion_val", "scores_test", "panel_grad_cam_val"} <= drawn
    predictions = pd.read_parquet(run / "predictions.parquet")
    assert list(predictions) == [*COLUMNS, "logit", "face_status", "score", "verdict"]
    assert predictions["split"].value_counts().to_dict() == {"val": 16, "test": 16}
    _, card = checkpoint.load(run / "checkpoints" / "best.ckpt")
    assert card.decision.fitted
    np.testing.assert_allclose(predictions["score"], card.decision.probability(predictions["logit"]))
    assert set(predictions["face_status"]) == {"given"}
    found = metrics(run)
    assert found["model"] == "test_resnet"
    assert found["checkpoint"] == str(run / "checkpoints" / "best.ckpt")
    assert found["latency"]["median_ms"] > 0


def test_wandb_and_csv_are_told_of_it(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    for number, epochs in ((1, 2), (2, 1)):
        train_here(
            tmp_path / str(number), images, PANEL, "logger=[wandb,csv]", f"trainer.max_epochs={epochs}",
            "trainer.log_every_n_steps=1", "run.group=sweep", "run.tags=[tiny,folder]", f"seed={number}",
        )  # fmt: skip
    first, second = offline_runs(tmp_path / "logs" / "wandb")
    assert first.id != second.id
    assert [len(run.series("val/auc", over="epoch")) for run in (first, second)] == [2, 1]
    assert (first.group, sorted(first.tags), first.exit_code) == ("sweep", ["folder", "tiny"], 0)

    config = train_config(tmp_path / "1", images, "logger=[wandb,csv]")
    for section in config:
        assert section in first.config, "the whole composed config is logged"
    assert first.config["optimizer"]["lr"] == 3e-3
    assert first.config["preprocess"]["size"] == 32
    assert first.config["model"]["model_name"] == "test_efficientnet"

    found = metrics(tmp_path / "1")
    logged = [row for row in first.history if "val/auc" in row]
    for name in ("val/loss", "val/ap", "val/eer", "val/f1", "train/auc", "train/loss_epoch"):
        assert len(first.series(name, over="epoch")) == 2, name
    assert len(logged) == 2, "nothing is logged twice"
    assert max(row["val/auc"] for row in logged) == pytest.approx(first.summary["best/val/auc"])
    assert any(key.startswith("lr-") for row in first.history for key in row)
    for split, entry in found["splits"].items():
        for name, value in entry["metrics"].items():
            if value["value"] is not None:
                assert first.summary[f"best/{split}/{name}"] == pytest.approx(value["value"])
    assert first.summary["latency/median_ms"] == pytest.approx(found["latency"]["median_ms"])
    assert first.summary["model"] == "test_efficientnet"

    for key in ("val/roc", "val/pr", "best/test/roc", "best/val/pr"):
        assert key in first.config["_wandb"]["visualize"], key
        assert len(first.table(f"{key}_table")["data"]) > 1
    assert sum("val/confusion" in row for row in first.history) == 2
    for key, rows in (("val/panel", 4), ("best/test/panel", 12)):
        table = first.table(key)
        scores = [row[table["columns"].index("score")] for row in table["data"]]
        assert len(scores) == rows
        assert scores == sorted(scores, reverse=True)
    kept = pd.read_csv(tmp_path / "1" / "csv" / "metrics.csv")
    np.testing.assert_allclose(kept["val/auc"].dropna(), [row["val/auc"] for row in logged])


def test_an_unreadable_image_is_named_and_counted_and_the_training_goes_on(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    images = make_folder(tmp_path / "images", groups=30, size=40, layout="splits")
    training, validation = "train/real/g00_0.jpg", "val/fake/g01_0.jpg"
    for path in (training, validation):
        whole = (images / path).read_bytes()
        (images / path).write_bytes(whole[: len(whole) // 2])

    run = train_here(tmp_path / "run", images, "trainer.max_epochs=1", "data.batch_size=6", "data.max_unreadable=0.1")
    named = pd.read_csv(run / "quarantine.csv")
    assert set(named["path"]) == {training, validation}
    entry = metrics(run)["splits"]["val"]
    assert (entry["unreadable"], entry["images"]) == (1, 11)
    assert metrics(run)["splits"]["test"]["unreadable"] == 0
    rows = pd.read_parquet(run / "predictions.parquet").set_index("path")
    assert rows.loc[validation, "face_status"] == "unreadable"
    assert rows.index[rows["score"].isna()].tolist() == [validation]
    assert "1 of the images could not be read and are in no number" in (run / "report.html").read_text()

    with pytest.raises(UserError, match=r"1 of 60 images cannot be read.*data\.max_unreadable=0\.01"):
        train_here(tmp_path / "strict", images, "trainer.max_epochs=3")
    assert len(pd.read_csv(tmp_path / "strict" / "quarantine.csv")) > 0


def test_without_a_test_split_it_reports_on_validation_alone(images: Path, tmp_path: Path) -> None:
    run = train_here(tmp_path / "run", images, "trainer.max_epochs=1", "data.test_share=0")
    assert list(metrics(run)["splits"]) == ["val"]
    assert set(pd.read_parquet(run / "predictions.parquet")["split"]) == {"val"}
    assert "chosen on this split" in (run / "report.html").read_text()


def test_fewer_images_than_a_batch_are_trained_on_all_the_same(images: Path, tmp_path: Path) -> None:
    run = train_here(tmp_path / "run", images, "trainer.max_epochs=2", "data.limit=12", "data.batch_size=64")
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 2


def test_a_transformer_trains_and_its_panel_says_that_it_has_no_map(images: Path, tmp_path: Path) -> None:
    run = train_here(
        tmp_path / "run", images, PANEL, "model.model_name=test_vit", "model.img_size=32", "trainer.max_epochs=1",
        "logger=csv",
    )  # fmt: skip
    assert "this network has no map" in (run / "report.html").read_text()
    (table,) = (run / "csv" / "val" / "panel").glob("*.csv")
    assert pd.read_csv(table)["grad_cam"].isna().all()
    assert pd.read_csv(table)["picture"].notna().all()


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("callbacks.checkpoint.monitor=test/auc", "monitor=test/auc is refused"),
        ("callbacks.early_stopping.monitor=test/loss", "monitor=test/loss is refused"),
        (
            "+callbacks.x={_target_: lightning.pytorch.callbacks.ModelCheckpoint, monitor: train/auc}",
            "monitor=train/auc is refused",
        ),
        ("callbacks.checkpoint.monitor=val/auk", r"did you mean val/auc\?"),
        ("callbacks.checkpoint=null", "no weights would be kept"),
        ("trainer.precision=nonsense", "trainer.precision=nonsense is not known"),
        ("trainer.precision=16-true", "trainer.precision=16-true is not known"),
        ("trainer.accelerator=gpu", "trainer: .*gpu|trainer: .*GPU"),
        ("callbacks.checkpoint.save_top_k=3", r"must keep the best epoch as best\.ckpt"),
        ("callbacks.checkpoint.filename=mine", r"must keep the best epoch as best\.ckpt"),
        ("callbacks.panel={_target_: fakedet.training.callbacks.reporting.Panel, every_n_epochs: 0}", "is below 1"),
        ("seed=-1", "seed=-1 is not a whole number from 0"),
        ("seed=5000000000", "seed=5000000000 is not a whole number from 0"),
        ("trainer.limit_val_batches=0", "trainer.limit_val_batches=0 would choose the best epoch by nothing"),
        ("trainer.max_epochs=-1", "trainer.max_epochs=-1 is no number of epochs"),
        ("trainer.max_epochs=ten", "trainer.max_epochs=ten is no number of epochs"),
        ("trainer.limit_val_batches=1", r"val has no (real|fake) image: .*data\.limit does not"),
        ("optimizer.lr=abc", "optimizer cannot be built"),
        ("optimizer.lr=-1", "optimizer cannot be built: Invalid learning rate"),
        ("+optimizer.momentum=1", "optimizer cannot be built"),
        ("callbacks.freezing.stages=99", "callbacks.freezing.stages=99, but the network has"),
        ("callbacks.freezing.thaw_every=0", "makes no sense"),
        ("loss.label_smoothing=1.5", "loss.label_smoothing=1.5"),
        ("schedule.warmup=2", "schedule.warmup=2"),
        ("optimizer.lr=1e9", "diverged"),
    ],
)
def test_what_the_caller_can_mend_is_one_sentence(override: str, sentence: str, images: Path, tmp_path: Path) -> None:
    if "gpu" in override and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(UserError, match=sentence) as refused:
        train_here(tmp_path / "run", images, override)
    assert "\n" not in str(refused.value)


def test_weights_that_are_none_end_the_command_in_one_sentence(images: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.ckpt").write_bytes(b"no weights")
    for weights, sentence in (
        ("[]", "weights=[] names no file; write weights=null for random weights."),
        ("[broken.ckpt,absent.ckpt]", "broken.ckpt"),
        ("[absent.ckpt]", "weights=absent.ckpt is neither imagenet, null nor a file."),
    ):
        ended = start("train", *train_overrides(images, f"model.weights={weights}"), folder=tmp_path)
        said, _ = ended.communicate(timeout=300)
        assert ended.returncode == 1
        assert said.splitlines()[-1].startswith("error: ")
        assert sentence in said.splitlines()[-1]
        assert "Traceback" not in said


def test_training_images_that_stand_in_another_split_are_left_out(
    make_folder: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fakedet")
    images = make_folder(tmp_path / "images", groups=10, size=40, layout="splits")
    source = next((images / "test" / "real").iterdir())
    (images / "train" / "real" / "copy.jpg").write_bytes(source.read_bytes())
    train_here(tmp_path / "run", images, "trainer.max_epochs=1", "data.batch_size=2")
    assert "1 training images stand byte for byte in validation or test too" in caplog.text
    assert "train: 6 real and 6 fake images" in caplog.text


def test_test_images_that_stand_in_validation_are_told_of(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    images = make_folder(tmp_path / "images", groups=10, size=40, layout="splits")
    tested, validated = (sorted((images / split / "real").iterdir())[0] for split in ("test", "val"))
    validated.write_bytes(tested.read_bytes())
    run = train_here(tmp_path / "run", images, "trainer.max_epochs=1")
    (leak,) = metrics(run)["leaks"]
    assert "1 of " in leak
    assert "test images stand byte for byte in the validation split too" in leak


def test_what_the_threshold_promises_is_chosen(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    images = make_folder(tmp_path / "images", groups=30, size=40)
    chosen = ("decision.false_positive_rate=0.2", "decision.calibration=none")
    run = train_here(tmp_path / "run", images, *chosen)
    decision = checkpoint.load(checkpoint.find(run))[1].decision
    assert (decision.false_positive_rate, decision.calibration.method) == (0.2, "none")
    assert metrics(run)["decision"]["false_positive_rate"] == 0.2


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("decision.calibration=isotone", r"decision\.calibration=isotone \(did you mean isotonic\?\)"),
        ("decision.false_positive_rate=1", r"decision\.false_positive_rate=1 leaves nothing to decide"),
    ],
)
def test_an_impossible_threshold_is_refused_before_the_training(
    override: str, sentence: str, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=sentence):
        train_here(tmp_path / "run", make_folder(tmp_path / "images", groups=4, size=40), override)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_detector_knows_what_its_weights_had_seen(
    images: Path, run: Path, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    parent = checkpoint.load(run / "checkpoints" / "best.ckpt")[1]
    others = make_folder(tmp_path / "others", groups=30, size=44)
    started = f"model.weights={run / 'checkpoints' / 'best.ckpt'}"
    child = train_here(tmp_path / "child", others, RESNET, started, "trainer.max_epochs=1")
    card = checkpoint.load(child / "checkpoints" / "best.ckpt")[1]
    assert card.datasets == ("images", "others")
    assert card.trained_on.seen("file", parent.trained_on.file).all()
    assert len(card.trained_on.file) == len(parent.trained_on.file) + card.images
    with pytest.raises(UserError, match=r"48 of these 80 images show what the detector was trained on"):
        evaluate_here(tmp_path / "leak", f"ckpt={child}", "data=folder", f"data.root={images}", "split=all")

    # Other splits of the same images: a part of its own test is known to its weights.
    again = train_here(tmp_path / "again", images, RESNET, started, "data.split_seed=5", "trainer.max_epochs=1")
    assert any("show what the detector was trained on" in leak for leak in metrics(again)["leaks"])


def test_weights_of_unknown_origin_are_said_to_be(
    images: Path, run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    torch.save(state, tmp_path / "plain.pt")
    with caplog.at_level("INFO"):
        train_here(tmp_path / "run", images, RESNET, f"model.weights={tmp_path / 'plain.pt'}", "trainer.max_epochs=1")
    assert "plain.pt does not say what it was trained on" in caplog.text


@pytest.mark.parametrize(
    "overrides",
    [
        ("preprocess.size=48",),
        ("model.img_size=64", "+callbacks.resizing={_target_: " + RESIZING + ", sizes: {0: 48}}", "preprocess.size=64"),
    ],
)
def test_a_network_of_another_size_is_named_before_the_training(
    overrides: tuple[str, ...], images: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        UserError, match=r"vit_tiny_patch16_224 does not take pictures of \d+ × \d+ pixels \(Input height"
    ) as said:
        train_here(tmp_path / "run", images, "model.model_name=vit_tiny_patch16_224", *overrides)
    assert "preprocess.size=" in str(said.value)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("data.crop=0", "data.crop=0 is not a whole number of at least 1"),
        ("data.epoch_images=3.5", "data.epoch_images=3.5 is not a whole number"),
        ("data.forger=null", "data.forger=None is no forger: write"),
    ],
)
def test_a_sample_that_cannot_be_made_is_one_sentence(override: str, sentence: str, tmp_path: Path) -> None:
    from hydra import compose, initialize_config_dir

    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("train", ["data=sample", f"data.root={tmp_path}", f"run.dir={tmp_path}", override])
    with pytest.raises(UserError, match=sentence):
        instantiate(config.data, spec=PreprocessSpec())
