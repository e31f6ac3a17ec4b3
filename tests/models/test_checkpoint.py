"""The checkpoint's format: written, read back, and refused where it is not ours or not whole."""

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel
from runs import train_here

from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError
from fakedet.models import build, checkpoint
from fakedet.models.checkpoint import Card, stamp

PLAIN = (dict, list, tuple, str, int, float, bool, type(None), torch.Tensor)


def _write(file: Path, **changes: Any) -> Path:
    network = build("resnet18")
    card = Card(
        model="resnet18",
        options=network.options,
        preprocess=PreprocessSpec(size=64, interpolation="bicubic", mean=(0.1, 0.2, 0.3)),
        data={"_target_": "fakedet.data.benchmarks.folder.Folder", "root": "/images", "columns": {"path": "file"}},
        protocol="0123456789abcdef",
        trained_on=np.array([-5, 7], np.int64),
    )
    state: dict[str, Any] = {"state_dict": {f"network.{name}": value for name, value in network.state_dict().items()}}
    stamp(state, card)
    state["fakedet"].update(changes.pop("fakedet", {}))
    torch.save({**state, **changes}, file)
    return file


def test_network_and_card_come_back_as_they_were(tmp_path: Path) -> None:
    file = _write(tmp_path / "best.ckpt")
    network, card = checkpoint.load(file)
    assert not network.training
    stored = torch.load(file, weights_only=True)["state_dict"]
    for name, value in network.state_dict().items():
        assert torch.equal(value, stored[f"network.{name}"])
    assert next(network.parameters()).is_contiguous(memory_format=torch.channels_last)
    assert card.model == network.name == "resnet18"
    assert card.preprocess == PreprocessSpec(size=64, interpolation="bicubic", mean=(0.1, 0.2, 0.3))
    assert card.data["columns"] == {"path": "file"}
    assert card.protocol == "0123456789abcdef"
    assert card.trained_on.tolist() == [-5, 7]
    assert card.trained_on.dtype == np.int64


def _strange(value: Any, where: str = "") -> list[str]:
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in _strange(inner, f"{where}.{key}")]
    if isinstance(value, list | tuple):
        return [found for inner in value for found in _strange(inner, f"{where}[]")]
    return [] if type(value) in PLAIN else [f"{where}: {type(value)}"]


def test_a_training_writes_plain_values_alone(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    images = make_folder(tmp_path / "images", groups=12, size=40)
    run = train_here(tmp_path / "run", images, "trainer.max_epochs=1", "data.batch_size=4", "callbacks=[default,ema]")
    for name in ("best.ckpt", "last.ckpt"):
        content = torch.load(run / "checkpoints" / name, weights_only=True)
        assert _strange(content) == []
        with zipfile.ZipFile(run / "checkpoints" / name) as archive:
            (pickled,) = [archive.read(inside) for inside in archive.namelist() if inside.endswith("data.pkl")]
        assert b"omegaconf" not in pickled
        assert b"fakedet.models" not in pickled.replace(b"fakedet.models.build", b"")
        assert content["fakedet"]["data"]["root"] == str(images)
        assert "hyper_parameters" not in content


def test_a_folder_of_a_run_stands_for_its_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    last = _write(tmp_path / "checkpoints" / "last.ckpt")
    assert checkpoint.find(tmp_path) == last
    best = _write(tmp_path / "checkpoints" / "best.ckpt")
    assert checkpoint.find(tmp_path) == checkpoint.find(tmp_path / "checkpoints") == checkpoint.find(best) == best
    assert checkpoint.find(tmp_path, checkpoint.LAST) == last
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty holds no checkpoint"):
        checkpoint.find(tmp_path / "empty")
    with pytest.raises(UserError, match=r"There is no checkpoint .*none\.ckpt"):
        checkpoint.find(tmp_path / "none.ckpt")


class _Canary:
    """Unpickling this would create a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.file,))


def test_nothing_in_a_checkpoint_is_run(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    content = pickle.dumps(_Canary(canary))
    pickle.loads(content)
    assert canary.exists(), "the pickle would do harm"
    canary.unlink()
    (tmp_path / "plain.ckpt").write_bytes(content)
    _write(tmp_path / "inside.ckpt", callbacks={"x": _Canary(canary)})
    _write(tmp_path / "options.ckpt", fakedet={"options": _Canary(canary)})
    for name in ("plain.ckpt", "inside.ckpt", "options.ckpt"):
        with pytest.raises(UserError, match=rf"{name} is refused: .*nothing in it was run\."):
            checkpoint.load(tmp_path / name)
    assert not canary.exists()


def _save(value: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is not a checkpoint, or is damaged"),
        (b"a picture, perhaps", "is refused: it is damaged|is not a checkpoint, or is damaged"),
        (_save({"state_dict": {}}), "is a checkpoint of another program"),
        (_save(torch.zeros(3)), "is a checkpoint of another program"),
        (_save({"fakedet": 1}), "is a checkpoint of another program"),
        (_save({"fakedet": {"format": 2}}), "has checkpoint format 2, this version reads 1"),
        (_save({"fakedet": {}}), "has checkpoint format None"),
        (_save({"fakedet": {"format": 1}}), "is damaged"),
    ],
)
def test_what_is_no_checkpoint_of_ours_is_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "x.ckpt"
    file.write_bytes(content)
    with pytest.raises(UserError, match=sentence) as refused:
        checkpoint.load(file)
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_lightning_checkpoint_without_our_card_is_refused(tmp_path: Path) -> None:
    trainer = Trainer(
        max_steps=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, limit_val_batches=0,
    )  # fmt: skip
    trainer.fit(BoringModel())
    trainer.save_checkpoint(tmp_path / "other.ckpt")
    with pytest.raises(UserError, match=r"other\.ckpt is a checkpoint of another program"):
        checkpoint.load(tmp_path / "other.ckpt")


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_half_a_checkpoint_is_refused(share: float, tmp_path: Path) -> None:
    content = _write(tmp_path / "best.ckpt").read_bytes()
    (tmp_path / "half.ckpt").write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match=r"half\.ckpt is .*damaged"):
        checkpoint.load(tmp_path / "half.ckpt")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": "resnet50"}, "damaged"),
        ({"model": "resnet5000"}, "There is no model 'resnet5000'"),
        ({"options": {"depth": 3}}, "has no option 'depth'"),
        ({"preprocess": {"size": 3}}, "preprocess.size=3"),
        ({"preprocess": {"sighs": 3}}, "no field sighs"),
        ({"trained_on": [1, 2]}, "damaged"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(changes: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    file = _write(tmp_path / "best.ckpt", fakedet=changes)
    with pytest.raises(UserError, match=sentence) as refused:
        checkpoint.load(file)
    assert str(file) in str(refused.value), "it is said which file is wrong"


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    for name, state in {
        "shape": {"network.body.conv1.weight": torch.zeros(1)},
        "none": {},
        "kind": {"network.body.conv1.weight": "text"},
    }.items():
        file = _write(tmp_path / f"{name}.ckpt", state_dict=state)
        with pytest.raises(UserError, match=rf"{name}\.ckpt is damaged") as refused:
            checkpoint.load(file)
        assert "\n" not in str(refused.value)
