"""Signals in the middle of a training, and runs that go on as if nothing had happened."""

import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from runs import metrics, start, train_config, train_here, train_overrides, weights

from fakedet.errors import UserError
from fakedet.models import checkpoint
from fakedet.training.callbacks.last import InterruptedTraining, SaveLast
from fakedet.training.trainer import build_trainer

# 36 training images: four batches an epoch (the rest is left out), two batches of validation.
EMA = ("callbacks=[default,ema]", "callbacks.progress=null", "callbacks.summary=null", "callbacks.panel=null")
PLACES = {
    "the first batch": ("on_train_batch_start", 0, 0),
    "mid-epoch": ("on_train_batch_start", 0, 1),
    "the first batch of a later epoch": ("on_train_batch_start", 1, 0),
    "the last batch of an epoch": ("on_train_batch_start", 1, 3),
    "the first validation batch": ("on_validation_batch_start", 1, 0),
    "the last validation batch": ("on_validation_batch_start", 0, 1),
    "the end of a validation": ("on_validation_end", 1, None),
    "the last epoch's validation": ("on_validation_batch_start", 2, 1),
    "the end of the last epoch": ("on_validation_end", 2, None),
}


@pytest.fixture(scope="module")
def images(make_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data") / "images", groups=30, size=40)


@contextmanager
def _validations() -> Iterator[list[str]]:
    """Epoch and validation of each line that is logged meanwhile: training means differ in a cut epoch."""
    found: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            epoch, _, values = record.getMessage().partition(": ")
            found.append(f"{epoch}: {values[values.index('val/loss') : values.rindex(' (')]}")

    logger, handler = logging.getLogger("fakedet.training.callbacks.reporting"), Lines()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield found
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture(scope="module")
def whole(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with _validations() as lines:
        run = train_here(tmp_path_factory.mktemp("whole") / "run", images)
    (run / "validations.txt").write_text("\n".join(lines))
    return run


@pytest.fixture(scope="module")
def whole_ema(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_here(tmp_path_factory.mktemp("whole_ema") / "run", images, *EMA, "callbacks.ema.decay=0.9")


def _signal_at(monkeypatch: pytest.MonkeyPatch, place: str, number: int = signal.SIGTERM) -> None:
    """Have the process signalled when the training reaches a place, once."""
    hook, epoch, batch = PLACES[place]
    sent: list[str] = []

    def act(self: SaveLast, trainer: Trainer, module: Any, *rest: Any) -> None:
        index = rest[1] if len(rest) > 1 else None
        if not sent and trainer.current_epoch == epoch and index == batch:
            sent.append(place)
            os.kill(os.getpid(), number)

    monkeypatch.setattr(SaveLast, hook, act, raising=False)


def _same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=0, atol=1e-6, msg=name)


@pytest.mark.parametrize("place", PLACES)
def test_a_resumed_run_ends_like_one_that_was_never_interrupted(
    place: str, images: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with _validations() as validations:
        with monkeypatch.context() as patch:
            _signal_at(patch, place)
            with pytest.raises(InterruptedTraining, match=r"Stopped by SIGTERM.*resume=") as stopped:
                train_here(tmp_path / "run", images)
        assert stopped.value.status == 143
        assert {number: signal.getsignal(number) for number in before} == before
        assert not (tmp_path / "run" / "metrics.json").exists()
        train_here(tmp_path / "run", images, f"resume={tmp_path / 'run'}")

    assert validations == (whole / "validations.txt").read_text().splitlines(), "each epoch is validated once"
    _same(weights(tmp_path / "run"), weights(whole))
    _same(weights(tmp_path / "run", "best.ckpt"), weights(whole, "best.ckpt"))
    assert metrics(tmp_path / "run")["splits"] == metrics(whole)["splits"]


@pytest.mark.parametrize("place", ["mid-epoch", "the last batch of an epoch", "the first validation batch"])
def test_a_resumed_average_is_the_same_too(
    place: str, images: Path, whole_ema: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _signal_at(patch, place, signal.SIGINT)
        with pytest.raises(InterruptedTraining, match="SIGINT") as stopped:
            train_here(tmp_path / "run", images, *EMA, "callbacks.ema.decay=0.9")
    assert stopped.value.status == 130
    train_here(tmp_path / "run", images, *EMA, "callbacks.ema.decay=0.9", f"resume={tmp_path / 'run'}")
    _same(weights(tmp_path / "run"), weights(whole_ema))
    last, expected = (checkpoint.read(run / "checkpoints" / "last.ckpt") for run in (tmp_path / "run", whole_ema))
    _same(last["current_model_state"], expected["current_model_state"])


def _read_until(process: Any, text: str) -> str:
    """Its output up to the line that holds a text."""
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"{text!r} was never said: {said}")


def test_ctrl_c_saves_says_how_to_go_on_and_the_sentence_is_a_command(images: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    choices = train_overrides(images, "data.workers=1", "trainer.max_epochs=500", f"hydra.run.dir={run}")
    process = start("train", *choices, folder=tmp_path)
    _read_until(process, "epoch 1 of 500")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the loading process gets it too
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 130, said
    assert "Traceback" not in said
    (sentence,) = [line for line in said.splitlines() if line.startswith("error: Stopped by SIGINT in epoch ")]
    assert sentence.endswith(f"Go on with: python src/train.py resume={run}")
    assert not list(run.rglob("*.partial"))
    stopped_at = checkpoint.read(run / "checkpoints" / "last.ckpt")["global_step"]

    process = start("train", sentence.split()[-1], "trainer.max_epochs=600", folder=tmp_path)
    _read_until(process, " of 600")
    process.terminate()
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 143, said
    assert checkpoint.read(run / "checkpoints" / "last.ckpt")["global_step"] > stopped_at


def test_a_signal_to_the_whole_job_saves_too(images: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    choices = train_overrides(images, "data.workers=1", "trainer.max_epochs=500", f"hydra.run.dir={run}")
    process = start("train", *choices, folder=tmp_path)
    _read_until(process, "epoch 1 of 500")
    os.killpg(process.pid, signal.SIGTERM)  # as `timeout` does, and a cluster to all processes of a job
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 143, said
    assert "Traceback" not in said
    assert "error: Stopped by SIGTERM in epoch " in said


def test_a_run_that_moved_keeps_its_best_epoch(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        _signal_at(patch, "the end of a validation")
        with pytest.raises(InterruptedTraining):
            train_here(tmp_path / "here", images, "callbacks.early_stopping.patience=3")
    shutil.move(tmp_path / "here", tmp_path / "there")
    config = train_config(
        tmp_path / "there", images, f"resume={tmp_path / 'there'}", "callbacks.early_stopping.patience=7"
    )
    trainer = build_trainer(config, [])  # type: ignore[arg-type]
    state = checkpoint.read(tmp_path / "there/checkpoints/last.ckpt")
    kept, stop = trainer.checkpoint_callback, trainer.early_stopping_callback
    assert isinstance(kept, ModelCheckpoint)
    assert isinstance(stop, EarlyStopping)
    (last,) = [callback for callback in trainer.callbacks if isinstance(callback, SaveLast)]  # type: ignore[attr-defined]
    last.on_load_checkpoint(trainer, None, state)  # type: ignore[arg-type]
    kept.load_state_dict(state["callbacks"][kept.state_key])
    stop.load_state_dict(state["callbacks"][stop.state_key])
    assert kept.best_model_path == str(tmp_path / "there/checkpoints/best.ckpt")
    assert kept.best_model_score is not None
    assert list(kept.best_k_models) == [kept.best_model_path]
    assert stop.patience == 7
    train_here(tmp_path / "there", images, f"resume={tmp_path / 'there'}")
    assert (tmp_path / "there/metrics.json").exists()


def test_a_setting_that_resuming_would_undo_is_refused(whole: Path, images: Path, tmp_path: Path) -> None:
    run = shutil.copytree(whole, tmp_path / "run")
    for setting in ("optimizer.lr=1e-6", "optimizer.weight_decay=0.5"):
        with pytest.raises(UserError, match=rf"goes on with {setting.split('=')[0]}=.*model\.weights="):
            train_here(run, images, f"resume={run}", "trainer.max_epochs=4", setting)


def test_a_killed_run_goes_on_from_its_last_epoch(images: Path, whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start("train", *train_overrides(images, f"hydra.run.dir={run}"), folder=tmp_path)
    _read_until(process, "epoch 2 of 3")
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    train_here(run, images, f"resume={run}")
    _same(weights(run), weights(whole))


def test_a_second_signal_ends_at_once() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        SaveLast("last.ckpt")._note(signal.SIGTERM, None)
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == [signal.SIG_DFL] * 2
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)


def test_gradients_that_are_still_gathered_are_not_lost(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gather = ("trainer.accumulate_grad_batches=2", "trainer.max_epochs=1", "data.batch_size=4")
    expected = train_here(tmp_path / "whole", images, *gather)
    with monkeypatch.context() as patch:
        _signal_at(patch, "the first batch")
        with pytest.raises(InterruptedTraining, match="step 1;"):
            train_here(tmp_path / "run", images, *gather)
    train_here(tmp_path / "run", images, *gather, f"resume={tmp_path / 'run'}")
    _same(weights(tmp_path / "run"), weights(expected))


def test_what_a_resumed_run_refuses(
    images: Path, make_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, resume = tmp_path / "run", f"resume={tmp_path / 'run'}"
    train_here(run, images, "trainer.max_epochs=1")
    step = checkpoint.read(run / "checkpoints" / "last.ckpt")["global_step"]
    with pytest.raises(UserError, match=r"has finished its 1 epochs; raise trainer.max_epochs"):
        train_here(run, images, "trainer.max_epochs=1", resume)
    fewer = make_folder(tmp_path / "fewer", groups=29, size=40)
    with pytest.raises(UserError, match="the data is not what it was trained on"):
        train_here(run, fewer, resume)
    with pytest.raises(UserError, match=r"trains timm .* not another network"):
        train_here(run, images, "model.model_name=test_resnet", resume)
    with pytest.raises(UserError, match="holds no checkpoint"):
        train_here(run, images, f"resume={images}")
    assert checkpoint.read(run / "checkpoints" / "last.ckpt")["global_step"] == step
    train_here(run, images, "trainer.max_epochs=2", resume)
    assert checkpoint.read(run / "checkpoints" / "last.ckpt")["global_step"] == 2 * step


def test_the_last_epoch_is_kept_though_an_earlier_one_was_better(images: Path, tmp_path: Path) -> None:
    # Nothing is learned, so that no epoch is better than the first.
    run = train_here(tmp_path / "run", images, "optimizer.lr=0")
    steps = [checkpoint.read(run / "checkpoints" / name)["global_step"] for name in ("best.ckpt", "last.ckpt")]
    assert steps == [4, 12]


def test_a_run_that_ended_before_its_report_makes_it(images: Path, tmp_path: Path) -> None:
    run = train_here(tmp_path / "run", images, "trainer.max_epochs=1")
    expected = metrics(run)["splits"]
    (run / "metrics.json").unlink()
    train_here(run, images, "trainer.max_epochs=1", f"resume={run}")
    assert metrics(run)["splits"] == expected


def test_a_run_that_was_ended_early_is_not_trained_on(images: Path, tmp_path: Path) -> None:
    early = ("optimizer.lr=0", "callbacks.early_stopping.patience=1", "trainer.max_epochs=9")
    run = train_here(tmp_path / "run", images, *early)
    assert checkpoint.read(run / "checkpoints" / "last.ckpt")["global_step"] == 8
    expected = metrics(run)["splits"]
    (run / "metrics.json").unlink()
    train_here(run, images, *early, f"resume={run}")
    assert checkpoint.read(run / "checkpoints" / "last.ckpt")["global_step"] == 8
    assert metrics(run)["splits"] == expected
    train_here(run, images, *early, "callbacks.early_stopping.patience=2", f"resume={run}")
    assert checkpoint.read(run / "checkpoints" / "last.ckpt")["global_step"] == 12


@pytest.mark.parametrize("place", ["mid-epoch", "the first batch of a later epoch", "the end of a validation"])
def test_what_is_random_in_the_network_goes_on_too(
    place: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = ("model.dropout=0.5", "model.drop_path=0.2")
    expected = train_here(tmp_path / "whole", images, *random)
    with monkeypatch.context() as patch:
        _signal_at(patch, place)
        with pytest.raises(InterruptedTraining):
            train_here(tmp_path / "run", images, *random)
    torch.rand(3)  # a new process stands elsewhere
    train_here(tmp_path / "run", images, *random, f"resume={tmp_path / 'run'}")
    _same(weights(tmp_path / "run"), weights(expected))
