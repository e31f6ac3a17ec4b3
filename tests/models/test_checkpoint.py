"""The checkpoint's format: written, read back, and refused where it is not ours or not whole."""

import io
import pickle
import resource
import shutil
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

from fakedet.detector.decision import Calibration, Decision, FittedOn
from fakedet.detector.spec import PreprocessSpec
from fakedet.detector.trained_on import TrainedOn, digest_names
from fakedet.errors import UserError
from fakedet.models import build, checkpoint
from fakedet.models.checkpoint import Card, stamp

DECISION = Decision(
    calibration=Calibration("isotonic", knots=((-1.0, 0.1), (0.25, 0.1), (2.0, 0.9))),
    threshold=0.7,
    false_positive_rate=0.05,
    band=(0.6, 0.8),
    fitted_on=FittedOn(images=900, reals=400, groups=70, protocol="official split"),
)
TRAINED_ON = TrainedOn(
    file=np.array([-5, 7], np.int64), identity=digest_names("identity", ["celebdf:id0", "celebdf:id1"])
)
QUIET = ("callbacks.progress=null", "callbacks.summary=null", "callbacks.panel=null")
ONE_EPOCH = ("trainer.max_epochs=1", "data.batch_size=4", "callbacks=[default,ema]", *QUIET)
PLAIN = (dict, list, tuple, str, int, float, bool, type(None), torch.Tensor)


def _write(file: Path, **changes: Any) -> Path:
    network = build("resnet18")
    card = Card(
        model="resnet18",
        options=network.options,
        preprocess=PreprocessSpec(size=64, interpolation="bicubic", mean=(0.1, 0.2, 0.3)),
        data={"_target_": "fakedet.data.benchmarks.folder.Folder", "root": "/images", "columns": {"path": "file"}},
        protocol="0123456789abcdef",
        protocol_name="celebdf identity_disjoint (seed 0)",
        datasets=("celebdf", "dfdc"),
        images=1234,
        trained_on=TRAINED_ON,
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
    assert card.protocol_name == "celebdf identity_disjoint (seed 0)"
    assert (card.datasets, card.images) == (("celebdf", "dfdc"), 1234)
    assert card.trained_on.file.tolist() == [-5, 7]
    assert card.trained_on.to_json() == TRAINED_ON.to_json()
    assert card.decision == Decision()


def _strange(value: Any, where: str = "") -> list[str]:
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in _strange(inner, f"{where}.{key}")]
    if isinstance(value, list | tuple):
        return [found for inner in value for found in _strange(inner, f"{where}[]")]
    return [] if type(value) in PLAIN else [f"{where}: {type(value)}"]


@pytest.fixture(scope="module")
def run(make_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of one epoch, by its run folder; its images lie beside it."""
    folder = tmp_path_factory.mktemp("trained")
    return train_here(folder / "run", make_folder(folder / "images", groups=12, size=40), *ONE_EPOCH)


def test_a_training_writes_plain_values_alone(run: Path) -> None:
    for name in ("best.ckpt", "last.ckpt"):
        content = torch.load(run / "checkpoints" / name, weights_only=True)
        assert _strange(content) == []
        with zipfile.ZipFile(run / "checkpoints" / name) as archive:
            (pickled,) = [archive.read(inside) for inside in archive.namelist() if inside.endswith("data.pkl")]
        assert b"omegaconf" not in pickled
        assert b"fakedet.models" not in pickled.replace(b"fakedet.models.build", b"")
        assert content["fakedet"]["data"]["root"] == str(run.parent / "images")
        assert "hyper_parameters" not in content


def _unequal(one: Any, other: Any, where: str = "") -> list[str]:
    """Places at which two checkpoints differ, in kind, order, memory layout or value."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return [] if one.stride() == other.stride() and one.dtype == other.dtype and one.equal(other) else [where]
    if type(one) is not type(other) or not isinstance(one, dict | list | tuple):
        return [] if one == other else [where]
    names, others = (list(held) if isinstance(held, dict) else list(range(len(held))) for held in (one, other))
    if names != others:
        return [where]
    return [found for name in names for found in _unequal(one[name], other[name], f"{where}.{name}")]


@pytest.mark.parametrize("name", ["best.ckpt", "last.ckpt"])
def test_a_decision_is_added_and_everything_else_stays(name: str, run: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(run / "checkpoints" / name, tmp_path / "copy.ckpt"))
    before = torch.load(file, weights_only=True)
    checkpoint.write_decision(file, DECISION)
    after = torch.load(file, weights_only=True)
    assert _unequal(before, after)
    assert all(place.startswith(".fakedet.decision") for place in _unequal(before, after))
    assert _strange(after) == []
    assert checkpoint.load(file)[1].decision == DECISION
    assert [found.name for found in tmp_path.iterdir()] == ["copy.ckpt"]


def test_equal_decisions_give_equal_bytes(run: Path, tmp_path: Path) -> None:
    contents = set()
    for name in ("one.ckpt", "two.ckpt"):
        file = Path(shutil.copy(run / "checkpoints" / "last.ckpt", tmp_path / name))
        checkpoint.write_decision(file, DECISION)
        contents.add(file.read_bytes())
        checkpoint.write_decision(file, Decision(reason="another"))
        assert file.read_bytes() not in contents
        checkpoint.write_decision(file, DECISION)
        contents.add(file.read_bytes())
    assert len(contents) == 1


def test_a_training_goes_on_from_a_checkpoint_with_a_decision(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "old")
    checkpoint.write_decision(tmp_path / "old" / "checkpoints" / "last.ckpt", DECISION)
    more = ("trainer.max_epochs=2", f"resume={tmp_path / 'old'}")
    gone_on = train_here(tmp_path / "run", run.parent / "images", *ONE_EPOCH, *more)
    first, second = (checkpoint.read(checkpoint.find(done, "last.ckpt"))["global_step"] for done in (run, gone_on))
    assert second == 2 * first


def test_a_decision_that_cannot_be_written_leaves_the_checkpoint_whole(tmp_path: Path) -> None:
    file = _write(tmp_path / "best.ckpt")
    content = file.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) // 2, limits[1]))
    try:
        with pytest.raises(
            UserError, match=r"best\.ckpt cannot be written \(.*\); check the folder's rights"
        ) as refused:
            checkpoint.write_decision(file, DECISION)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(refused.value)
    assert file.read_bytes() == content
    assert [found.name for found in tmp_path.iterdir()] == ["best.ckpt"]


def test_a_decision_is_written_into_nothing_but_our_checkpoints(tmp_path: Path) -> None:
    file = tmp_path / "other.ckpt"
    torch.save({"state_dict": {}}, file)
    with pytest.raises(UserError, match="is a checkpoint of another program"):
        checkpoint.write_decision(file, DECISION)
    assert list(torch.load(file, weights_only=True)) == ["state_dict"]


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
        (_save({"fakedet": {"format": 1}}), "has checkpoint format 1, this version reads 2: train it again"),
        (_save({"fakedet": {}}), "has checkpoint format None"),
        (_save({"fakedet": {"format": 2}}), "is damaged"),
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
        ({"trained_on": [1, 2]}, r"trained_on=\[1, 2\] is no mapping"),
        ({"trained_on": {**TRAINED_ON.to_json(), "identity": "x"}}, "trained_on.identity is damaged"),
        ({"trained_on": {"file": ""}}, "trained_on lacks video, source_clip, identity"),
        ({"images": float("inf")}, "damaged"),
        ({"datasets": None}, "damaged"),
        ({"decision": None}, "decision=None is not a mapping"),
        ({"decision": {"threshold": 2}}, "decision.threshold=2 is not a number from 0 to 1"),
        ({"decision": {"threshold": float("nan")}}, "decision.threshold=nan is not"),
        ({"decision": {"threshold": torch.tensor(0.5)}}, r"decision.threshold=tensor\(0.5000\) is not"),
        ({"decision": {"band": "all"}}, "decision.band='all' is not"),
        ({"decision": {"calibration": {"method": "isotonic", "knots": [["a", 1]]}}}, "decision.knots='a' is not"),
        ({"decision": {"verdict": "real"}}, "decision has no field verdict"),
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


def test_what_is_handed_on_names_no_folder(tmp_path: Path) -> None:
    data = {"_target_": "x", "root": "/home/me/x", "raw": "/home/me/raw", "sets": {"celebdf": "/home/me/y"}, "limit": 3}
    file = _write(tmp_path / "best.ckpt", fakedet={"data": data}, **{"pytorch-lightning_version": "2.6.6"})
    checkpoint.write_bare(file, tmp_path / "bare.ckpt")
    _, card = checkpoint.load(tmp_path / "bare.ckpt")
    assert card.data == {"_target_": "x", "root": ".", "limit": 3}
