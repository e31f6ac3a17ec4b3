"""What is checked and chosen before a run starts."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelSummary, ProgressBar
from lightning.pytorch.strategies import DDPStrategy
from runs import train_config

from fakedet.errors import UserError
from fakedet.training.trainer import MONITORS, build_trainer, check_monitors, choose_precision


def test_precision_is_fp32_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_precision("32-true", "cpu") == "32-true"
    assert choose_precision("bf16-mixed", "cpu") == "bf16-mixed"
    for capable, expected in ((True, "bf16-mixed"), (False, "32-true")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda capable=capable: capable)
        assert choose_precision("auto", "cpu") == expected
    with pytest.raises(UserError, match=r"did you mean bf16-mixed\?"):
        choose_precision("bf16-mixd", "cpu")


def test_auto_is_bf16_on_this_processor_if_the_system_says_that_it_computes_in_it() -> None:
    flags = Path("/proc/cpuinfo")
    if not flags.is_file():
        pytest.skip("the system lists no processor flags")
    expected = "bf16-mixed" if "avx512_bf16" in flags.read_text() else "32-true"
    assert choose_precision("auto", "cpu") == expected


def test_only_validation_metrics_may_be_monitored() -> None:
    for monitor in MONITORS:
        check_monitors({"a": {"monitor": monitor}, "b": None, "c": {"monitor": None}})
    for hidden in ({"monitor": "test/auc"}, {"deep": {"deeper": {"monitor": "train/auc"}}}):
        with pytest.raises(UserError, match="is refused"):
            check_monitors({"x": hidden})


@pytest.mark.parametrize(
    ("callback", "wanted"),
    [
        ({"monitor": "val/loss", "mode": "max"}, "min"),
        ({"monitor": "val/eer", "mode": "max"}, "min"),
        ({"monitor": "val/auc", "mode": "min"}, "max"),
        ({"monitor": "val/auc", "_target_": "lightning.pytorch.callbacks.ModelCheckpoint"}, "max"),
    ],
)
def test_the_worst_epoch_is_never_what_is_kept(callback: dict[str, str], wanted: str) -> None:
    with pytest.raises(UserError, match=f"would choose the worst: set mode={wanted} beside it"):
        check_monitors({"checkpoint": callback})
    check_monitors({"checkpoint": {**callback, "mode": wanted}})


def test_what_is_switched_off_is_off(tmp_path: Path) -> None:
    config = train_config(tmp_path, tmp_path, "callbacks.early_stopping=null")
    trainer = build_trainer(config, [])  # type: ignore[arg-type]
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    assert not [found for found in callbacks if isinstance(found, ProgressBar | ModelSummary | EarlyStopping)]
    assert trainer.loggers == []


@pytest.mark.parametrize(("stages", "finds_unused"), [(0, False), (2, True)])
def test_frozen_stages_do_not_hold_distributed_training_up(stages: int, finds_unused: bool, tmp_path: Path) -> None:
    ddp = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", f"callbacks.freezing.stages={stages}")
    trainer = build_trainer(train_config(tmp_path, tmp_path, *ddp), [])  # type: ignore[arg-type]
    assert isinstance(trainer.strategy, DDPStrategy)
    assert trainer.strategy._ddp_kwargs.get("find_unused_parameters", False) is finds_unused


def test_early_stopping_stops(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    from runs import train_here

    from fakedet.models import checkpoint

    images = make_folder(tmp_path / "images", groups=12, size=40)
    nothing_learned = ("optimizer.lr=0", "trainer.max_epochs=20", "data.batch_size=4")
    run = train_here(tmp_path / "run", images, *nothing_learned, "callbacks.early_stopping.patience=2")
    last = checkpoint.read(run / "checkpoints" / "last.ckpt")
    assert last["epoch"] + 1 == 3
