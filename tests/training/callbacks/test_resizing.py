"""Training on small pictures first: which epoch sees which size, also after a stop, and what is refused."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from omegaconf import DictConfig
from runs import train_here, weights

from fakedet.errors import UserError
from fakedet.instantiation import instantiate
from fakedet.training.callbacks.last import InterruptedTraining
from fakedet.training.callbacks.resizing import ProgressiveResizing

SIZES = (
    "preprocess.size=48",
    "+callbacks.resizing._target_=fakedet.training.callbacks.resizing.ProgressiveResizing",
    "+callbacks.resizing.sizes={0: 32, 1: 40, 2: null}",
)
# 36 training images: four batches an epoch.
EXPECTED = {("train", 0): {32}, ("train", 1): {40}, ("train", 2): {48}, **{("val", epoch): {48} for epoch in range(3)}}


class Watched(Callback):
    """Side of what the network gets, by stage and epoch; stops the process's training once, if it is told to."""

    def __init__(self, stop_at: tuple[int, int] | None = None) -> None:
        self.seen: dict[tuple[str, int], set[int]] = {}
        self.stop_at = stop_at

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.seen.setdefault(("train", trainer.current_epoch), set()).add(batch["image"].shape[-1])
        if (trainer.current_epoch, batch_idx) == self.stop_at:
            signal.raise_signal(signal.SIGTERM)

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        self.seen.setdefault(("val", trainer.current_epoch), set()).add(batch["image"].shape[-1])


@pytest.fixture(scope="module")
def images(make_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data") / "images", groups=30, size=60)


def _train(monkeypatch: pytest.MonkeyPatch, watched: Watched, run: Path, images: Path, *overrides: str) -> None:
    from fakedet.training import train

    build: Any = train.build_trainer

    def with_watched(*arguments: Any) -> Trainer:
        trainer: Trainer = build(*arguments)
        trainer.callbacks.append(watched)  # type: ignore[attr-defined]
        return trainer

    with monkeypatch.context() as patched:
        patched.setattr(train, "build_trainer", with_watched)
        train_here(run, images, "callbacks.early_stopping=null", *SIZES, *overrides)


def test_sizes_follow_the_epochs_and_a_run_that_goes_on_is_the_same(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    through, before, after = Watched(), Watched(stop_at=(1, 1)), Watched()
    _train(monkeypatch, through, tmp_path / "through", images)
    assert through.seen == EXPECTED
    with pytest.raises(InterruptedTraining):
        _train(monkeypatch, before, tmp_path / "stopped", images)
    _train(monkeypatch, after, tmp_path / "stopped", images, f"resume={tmp_path / 'stopped'}")
    assert before.seen == {key: EXPECTED[key] for key in (("train", 0), ("val", 0), ("train", 1))}
    assert after.seen == {key: EXPECTED[key] for key in EXPECTED if key[1] > 0}
    for name, value in weights(tmp_path / "through").items():
        assert torch.equal(weights(tmp_path / "stopped")[name], value), name


def test_a_size_that_the_detector_does_not_have_is_refused_before_training(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"callbacks.resizing.sizes: 1: 40 is above preprocess.size=36"):
        train_here(tmp_path / "run", images, *SIZES, "preprocess.size=36")


def test_the_size_of_an_epoch() -> None:
    resizing = ProgressiveResizing({5: None, 1: 160, 3: 192})
    assert [resizing.size(epoch) for epoch in range(7)] == [None, 160, 160, 192, 192, None, None]


def _built(compose: Callable[..., DictConfig], *overrides: str) -> ProgressiveResizing:
    config = compose("train", "experiment=shipped", "data.root=x", *overrides)
    built: ProgressiveResizing = instantiate(config.callbacks.resizing)
    return built


def test_sizes_are_given_on_the_command_line(compose: Callable[..., DictConfig]) -> None:
    sizes = "callbacks.resizing.sizes"
    assert _built(compose).sizes == {0: 160, 5: None}
    assert _built(compose, f"{sizes}={{0: 128}}").sizes == {0: 128, 5: None}
    assert _built(compose, f"+{sizes}={{0: 128, 3: 192}}").sizes == {0: 128, 3: 192, 5: None}
    for wrong in (f"+{sizes}={{first: 128}}", f"{sizes}={{0: 12.5}}", f"{sizes}=160"):
        with pytest.raises(UserError, match=r"^callbacks\.resizing\.sizes.*write \{0: 160, 5: null\}"):
            _built(compose, wrong)


@pytest.mark.parametrize(
    "sizes", [{}, None, 160, [160], {"0": 160}, {0: "160"}, {True: 160}, {0: True}, {-1: 160}, {0: 31}, {0.5: 160}]
)
def test_what_is_no_epoch_and_its_size_is_refused(sizes: Any) -> None:
    with pytest.raises(UserError, match=r"^callbacks\.resizing\.sizes.*write \{0: 160, 5: null\}") as error:
        ProgressiveResizing(sizes)
    assert "\n" not in str(error.value)
