"""The commands themselves: a sweep, and a training on two processes."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from runs import metrics, start, train_overrides
from wandb_file import offline_runs

from fakedet.models import checkpoint


@pytest.fixture(scope="module")
def images(make_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data") / "images", groups=20, size=40)


def _say(process: object, seconds: int = 240) -> tuple[int, str]:
    said = process.communicate(timeout=seconds)[0]  # type: ignore[attr-defined]
    return process.returncode, said  # type: ignore[attr-defined]


def test_a_sweep_gives_runs_of_one_group_and_a_failed_one_loses_none(images: Path, tmp_path: Path) -> None:
    choices = train_overrides(images, "trainer.max_epochs=1", "logger=wandb", "hydra.sweep.dir=sweeps/first")
    swept = ["model.model_name=test_efficientnet,test_resnet", "optimizer.lr=1e-3,-1"]
    status, said = _say(start("train", "-m", *choices, *swept, folder=tmp_path))
    assert status == 1, said
    assert "Traceback" not in said

    runs = {number: tmp_path / "sweeps" / "first" / str(number) for number in range(4)}
    for number in (0, 2):
        assert (runs[number] / "report.html").is_file()
        assert not (runs[number] / "failure.txt").exists()
    for number in (1, 3):
        assert "optimizer cannot be built: Invalid learning rate: -1" in (runs[number] / "failure.txt").read_text()
        assert f"run {number} failed: The optimizer cannot be built" in said
        assert not (runs[number] / "report.html").exists()
    assert [metrics(runs[number])["model"] for number in (0, 2)] == ["test_efficientnet", "test_resnet"]

    ended = offline_runs(tmp_path / "logs" / "wandb")
    assert {run.group for run in ended} == {"first"}
    assert len({run.id for run in ended}) == 4
    assert [run.exit_code for run in ended] == [0, 1, 0, 1]
    assert [run.config["model"]["model_name"] for run in ended] == [
        "test_efficientnet", "test_efficientnet", "test_resnet", "test_resnet"
    ]  # fmt: skip

    shown = said[said.index("4 runs, best validation AUC first") :]
    aucs = {number: metrics(runs[number])["splits"]["val"]["metrics"]["auc"]["value"] for number in (0, 2)}
    order = [*sorted(aucs, key=lambda number: (-aucs[number], number)), 1, 3]
    places = [shown.index(f"sweeps/first/{number}") for number in order]
    assert places == sorted(places)
    assert shown.count("failed: The optimizer") == 2
    status, compared = _say(start("compare", "runs=[sweeps]", folder=tmp_path))
    assert status == 0, compared
    assert compared.strip() == shown[: shown.rindex("┘") + 1].strip()


@pytest.mark.parametrize("stages", [0, 2])
def test_two_processes_train_one_detector_and_count_every_image_once(
    stages: int, make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    images = make_folder(tmp_path / "images", groups=25, size=40, layout="splits")
    (images / "val" / "real" / "g01_0.jpg").unlink()  # nine are left: two batches in one process, one in the other
    run = tmp_path / "run"
    choices = train_overrides(
        images, "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "trainer.max_epochs=2", "logger=csv",
        "data.batch_size=4", f"callbacks.freezing.stages={stages}", f"hydra.run.dir={run}",
    )  # fmt: skip
    status, said = _say(start("train", *choices, folder=tmp_path))
    assert status == 0, said
    assert said.count("Report: ") == 1
    assert said.count("epoch 2 of 2") == 1
    predictions = pd.read_parquet(run / "predictions.parquet")
    assert not predictions["path"].duplicated().any()
    entry = metrics(run)["splits"]["val"]
    assert (entry["images"], entry["real"]) == (9, 4)

    logged = pd.read_csv(run / "csv" / "metrics.csv").dropna(subset=["val/auc"])
    best = checkpoint.read(run / "checkpoints" / "best.ckpt")
    epoch = logged[logged["epoch"] == best["epoch"]].iloc[0]
    for name in ("auc", "ap", "eer"):
        assert entry["metrics"][name]["value"] == pytest.approx(epoch[f"val/{name}"], abs=1e-6), name
    scored = predictions[predictions["split"] == "val"]
    right = (scored["logit"] > 0) == (scored["label"] == 1)  # validation counts at 0.5, the report at its threshold
    assert right.mean() == pytest.approx(epoch["val/accuracy"], abs=1e-6)
    # 30 training images, 15 for each process: three batches of four, and what is left is left out.
    assert checkpoint.read(run / "checkpoints" / "last.ckpt")["global_step"] == 6
