"""The command: one file that answers as the checkpoint does, or none and a sentence."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from runs import start, train_here

from fakedet.detector.detector import Detector
from fakedet.errors import UserError
from fakedet.export import export as story
from fakedet.export import real_images
from fakedet.export.onnx_file import to_model
from fakedet.models import checkpoint, load_detector

Export = Callable[..., None]


@pytest.fixture(scope="module")
def images(make_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data") / "images", groups=30, size=40)


@pytest.fixture(scope="module")
def run(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_here(tmp_path_factory.mktemp("train") / "run", images, "trainer.max_epochs=2")


@pytest.fixture(scope="module")
def file(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the command wrote, as a user calls it."""
    process = start("export", f"ckpt={run}", folder=tmp_path_factory.mktemp("elsewhere"))
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert said.count("held") == 3
    assert "score against PyTorch" in said
    assert "Replaced initializer" not in said
    yield run / "detector.onnx"


def test_the_file_answers_as_the_checkpoint(run: Path, file: Path, images: Path) -> None:
    shipped, original = Detector.load(file, threads=1), load_detector(run)
    pictures = sorted((images / "fake").iterdir())[:4] + sorted((images / "real").iterdir())[:4]
    for one, other in zip(
        shipped.predict(pictures, explain=True), original.predict(pictures, explain=True), strict=True
    ):
        assert one.probability is not None
        assert one.probability == pytest.approx(other.probability, abs=1e-4)
        # The band's ends are scores of pictures, on which the last digit decides.
        if min(abs(one.probability - end) for end in shipped.card.decision.band) > 1e-4:
            assert one.verdict == other.verdict
        first, second = one.findings[0].heatmap, other.findings[0].heatmap
        assert first is not None and second is not None
        np.testing.assert_allclose(first, second, atol=1e-3)


def test_the_card_is_the_checkpoints(run: Path, file: Path) -> None:
    card, (_, stored) = Detector.load(file).card, checkpoint.load(checkpoint.find(run))
    assert (card.protocol_hash, card.decision, card.preprocess) == (stored.protocol, stored.decision, stored.preprocess)
    assert (card.precision, card.training["images"]) == ("fp32", stored.images)
    assert 0 <= card.training["metrics"]["val"]["auc"] <= 1
    assert dict(card.trained_on) == stored.trained_on.to_json()
    assert str(run.parent).encode() not in file.read_bytes()


def test_the_same_checkpoint_elsewhere_gives_the_same_bytes(
    run: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, export_here: Export
) -> None:
    moved = tmp_path / "mine.ckpt"
    moved.write_bytes(checkpoint.find(run).read_bytes())
    monkeypatch.chdir(tmp_path)
    export_here("ckpt=mine.ckpt", "threads=1")
    assert (tmp_path / "detector.onnx").read_bytes() == file.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["detector.onnx", "mine.ckpt"]


def test_int8_is_held_to_fp32_and_says_what_it_gains(
    run: Path, tmp_path: Path, export_here: Export, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(story.gates, "AUC_LIMIT", 1.0)  # a handful of images moves it by more than 0.005
    for name in ("first.onnx", "second.onnx"):
        export_here(f"ckpt={run}", "quantize=int8", f"output={tmp_path / name}", "licence=Mine alone.")
    said = capsys.readouterr().out
    assert "AUC of int8" in said
    assert "One image: fp32" in said
    assert "times as fast" in said
    assert (tmp_path / "first.onnx").read_bytes() == (tmp_path / "second.onnx").read_bytes()
    card = Detector.load(tmp_path / "first.onnx").card
    assert (card.precision, card.licence) == ("int8", "Mine alone.")


def test_no_file_is_written_when_a_gate_breaks(
    run: Path, tmp_path: Path, export_here: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(network: Any, card: Any) -> Any:
        with torch.no_grad():
            network.head.bias += 0.01
        model = to_model(network, card)
        with torch.no_grad():
            network.head.bias -= 0.01
        return model

    monkeypatch.setattr(story, "to_model", other)
    with pytest.raises(UserError, match="does not answer as the checkpoint does, and nothing was written: score"):
        export_here(f"ckpt={run}", f"output={tmp_path / 'detector.onnx'}")
    assert list(tmp_path.iterdir()) == []


def test_int8_that_changes_the_auc_is_not_written(
    run: Path, tmp_path: Path, export_here: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story.gates, "AUC_LIMIT", -1.0)
    with pytest.raises(UserError, match=r"AUC of int8 .* has to be at most"):
        export_here(f"ckpt={run}", "quantize=int8", f"output={tmp_path / 'detector.onnx'}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["quantize=int4"], r"quantize=int4 \(did you mean int8\?\) is not null or int8"),
        (["threads=0"], "threads=0 is not at least 1"),
        (["licence=' '"], "licence is empty"),
        (["output=detector.bin"], r"output=detector\.bin is not a file whose name ends in \.onnx"),
        (["data.root=/nowhere"], r"validation images, which are not to be had: .*/nowhere.*; say where they are with"),
    ],
)
def test_what_the_caller_can_mend_is_one_sentence(
    overrides: list[str], sentence: str, run: Path, tmp_path: Path, export_here: Export
) -> None:
    output = [] if overrides[0].startswith("output") else [f"output={tmp_path / 'x.onnx'}"]
    with pytest.raises(UserError, match=sentence) as refused:
        export_here(f"ckpt={run}", *output, *overrides)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_moved_data_is_found_by_its_new_root(run: Path, images: Path, tmp_path: Path, export_here: Export) -> None:
    moved = images.with_name("moved")
    images.rename(moved)
    try:
        with pytest.raises(UserError, match=r"images is not a folder; say where they are with data\.root=…"):
            export_here(f"ckpt={run}", f"output={tmp_path / 'x.onnx'}")
        export_here(f"ckpt={run}", f"output={tmp_path / 'x.onnx'}", f"data.root={moved}")
    finally:
        moved.rename(images)
    assert (tmp_path / "x.onnx").is_file()


def test_a_first_picture_that_cannot_be_read_costs_nothing(
    run: Path, images: Path, tmp_path: Path, export_here: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(story.gates, "AUC_LIMIT", 1.0)
    damaged = shutil.copytree(images, tmp_path / "images")
    first = real_images.find(checkpoint.load(checkpoint.find(run))[1], {"root": str(damaged)}).rows["path"].iloc[0]
    (damaged / first).write_bytes(b"no picture")
    target = tmp_path / "detector.onnx"
    export_here(f"ckpt={run}", "quantize=int8", f"output={target}", f"data.root={damaged}", "+data.max_unreadable=0.5")
    assert Detector.load(target).card.precision == "int8"


def test_a_damaged_checkpoint_is_one_sentence(run: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.ckpt"
    broken.write_bytes(checkpoint.find(run).read_bytes()[:20_000])
    process = start("export", f"ckpt={broken}", folder=tmp_path)
    said, _ = process.communicate()
    assert process.returncode == 1
    assert said.startswith("error: ")
    assert len(said.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["broken.ckpt"]
