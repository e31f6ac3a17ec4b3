"""Layer-wise freezing: what is frozen does not move, and thaws when it is told to."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from runs import train_here

from fakedet.errors import UserError
from fakedet.training.callbacks.freezing import LayerwiseFreezing
from fakedet.training.module import DetectorModule

State = dict[str, torch.Tensor]


class Snapshots(Callback):
    """The state of each stage, and of the head, before the first epoch and after each."""

    taken: list[list[State]]

    def _take(self, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, DetectorModule)
        parts = [*pl_module.network.stages, pl_module.network.head]
        self.taken.append([{name: value.clone() for name, value in part.state_dict().items()} for part in parts])

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        Snapshots.taken = []
        self._take(pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._take(pl_module)


def _moved(before: list[State], after: list[State]) -> list[bool]:
    return [any(not torch.equal(old[name], new[name]) for name in old) for old, new in zip(before, after, strict=True)]


@pytest.fixture(scope="module")
def images(make_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data") / "images", groups=20, size=40)


def _train(monkeypatch: pytest.MonkeyPatch, images: Path, run: Path, *overrides: str) -> list[list[bool]]:
    """Which parts moved in each epoch."""
    from fakedet.training import train

    build: Any = train.build_trainer

    def with_snapshots(*arguments: Any) -> Trainer:
        trainer: Trainer = build(*arguments)
        trainer.callbacks.insert(0, Snapshots())  # type: ignore[attr-defined]
        return trainer

    monkeypatch.setattr(train, "build_trainer", with_snapshots)
    train_here(run, images, "callbacks.early_stopping=null", *overrides)
    taken = Snapshots.taken
    return [_moved(before, after) for before, after in pairwise(taken)]


def test_frozen_stages_keep_weights_and_statistics(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = _train(monkeypatch, images, tmp_path, "callbacks.freezing.stages=2", "trainer.max_epochs=2")
    assert len(epochs[0]) > 4
    for moved in epochs:
        assert moved == [False, False, *[True] * (len(moved) - 2)]


def test_the_whole_backbone_is_frozen_and_thaws_from_the_top(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = _train(
        monkeypatch, images, tmp_path,
        "callbacks.freezing.stages=-1", "callbacks.freezing.thaw_every=1", "trainer.max_epochs=3",
    )  # fmt: skip
    stages = len(epochs[0]) - 1
    for epoch, moved in enumerate(epochs):
        assert moved == [*[False] * (stages - epoch), *[True] * (epoch + 1)]


def test_stages_are_frozen_once_they_have_learned(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    epochs = _train(
        monkeypatch, images, tmp_path,
        "callbacks.freezing.stages=2", "callbacks.freezing.from_epoch=1", "trainer.max_epochs=3",
    )  # fmt: skip
    assert all(epochs[0])
    for moved in epochs[1:]:
        assert moved == [False, False, *[True] * (len(moved) - 2)]


def test_how_many_are_frozen_when() -> None:
    freezing = LayerwiseFreezing(stages=3, thaw_every=2)
    assert [freezing.count(epoch, 5) for epoch in range(8)] == [3, 3, 2, 2, 1, 1, 0, 0]
    assert LayerwiseFreezing(stages=-1).count(9, 5) == 5
    late = LayerwiseFreezing(stages=2, thaw_every=2, from_epoch=3)
    assert [late.count(epoch, 5) for epoch in range(8)] == [0, 0, 0, 2, 2, 1, 1, 0]
    with pytest.raises(UserError, match="stages=6, but the network has 5"):
        LayerwiseFreezing(stages=6).count(0, 5)
    wrong: dict[str, int]
    for wrong in ({"stages": -2}, {"stages": 1, "thaw_every": 0}, {"stages": 1, "from_epoch": -1}):
        with pytest.raises(UserError, match="makes no sense"):
            LayerwiseFreezing(**wrong)
