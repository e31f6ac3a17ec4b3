"""The story of an export: a checkpoint in, one file out that is held to what the checkpoint says."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from fakedet.config import ExportConfig, check_keys
from fakedet.detector import shipped
from fakedet.detector.card import DetectorCard
from fakedet.errors import UserError, did_you_mean
from fakedet.export import gates, real_images
from fakedet.export.onnx_file import save, to_model, write_card
from fakedet.export.quantise import CALIBRATION_CROPS, quantise
from fakedet.export.real_images import RealImages
from fakedet.export.session import Session, side_by_side
from fakedet.models import checkpoint
from fakedet.models.detector import LICENCE, detector_card

SAMPLE = 64  # images that fp32 is held to PyTorch on
AUC_IMAGES = 2000  # at most, that int8 is held to fp32 on
INT8 = "int8"


def export(config: ExportConfig) -> None:
    """Write a checkpoint's shipped file, once it answers as the checkpoint does.

    Raises:
        UserError: for a checkpoint, data or setting that cannot be used, and for a gate that does not hold; no file
            is written then, and one that lay there before stays.
    """
    check_keys(config)
    _check(config)
    file = checkpoint.find(Path(config.ckpt))
    output = _output(config, file)
    network, stored = checkpoint.load(file)
    card = replace(detector_card(stored, _metrics(checkpoint.read(file))), licence=config.licence or LICENCE)
    images = real_images.find(stored, dict(config.data))
    sample = images.crops(SAMPLE)
    model = to_model(network, card)
    console = Console()
    with _draft(output) as draft:
        session = _open(model, draft, config.threads)
        found = gates.parity(network, card, session, sample)
        console.print(gates.table(found, f"fp32 on {len(sample)} validation images"))
        gates.enforce(found)
        if config.quantize == INT8:
            card = replace(card, precision=INT8)
            smaller = _quantised(model, card, images)
            _check_int8(smaller, card, session, draft, images, config.threads, console)
        draft.replace(output)
    if config.bare is not None:
        checkpoint.write_bare(file, Path(config.bare))
        console.print(f"{config.bare}: to fine-tune from", soft_wrap=True, highlight=False)
    maps = "with class-activation maps" if session.has_maps else "without maps: the network does not end in one layer"
    console.print(
        f"{output}: {output.stat().st_size / 1e6:.1f} MB, {card.precision}, {maps}", soft_wrap=True, highlight=False
    )


def _quantised(model: onnx.ModelProto, card: DetectorCard, images: RealImages) -> onnx.ModelProto:
    found = quantise(model, images.crops(CALIBRATION_CROPS))
    write_card(found, card)
    return found


def _check_int8(
    model: onnx.ModelProto,
    card: DetectorCard,
    fp32: Session,
    draft: Path,
    images: RealImages,
    threads: int | None,
    console: Console,
) -> None:
    """Hold the int8 file to the fp32 one, and say what it gains."""
    int8 = _open(model, draft, threads)
    rows = images.evenly(AUC_IMAGES)
    labels = []
    outputs: dict[str, list[dict[str, NDArray[np.float32]]]] = {"fp32": [], INT8: []}
    total = -(-len(rows) // images.data.batch_size)
    for batch, truth in track(images.batches(rows), "Scoring with both", total=total, transient=True, console=console):
        labels.append(truth)
        outputs["fp32"].append(fp32.run(batch))
        outputs[INT8].append(int8.run(batch))
    joined = {
        kind: {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        for kind, parts in outputs.items()
    }
    before, after = (joined[kind]["logit"].astype(np.float64) for kind in ("fp32", INT8))
    found = [gates.auc_change(np.concatenate(labels), before, after), gates.probability(card, joined[INT8])]
    console.print(gates.table(found, f"int8 on {len(before)} validation images"))
    alike = np.mean(
        card.decision.verdict(card.decision.probability(before))
        == card.decision.verdict(card.decision.probability(after))
    )
    console.print(f"The same verdict as fp32 on {100 * alike:.1f} % of them.")
    if fp32.has_maps:
        likeness = [gates.cosine(*pair) for pair in zip(joined["fp32"]["map"], joined[INT8]["map"], strict=True)]
        console.print(f"Cosine of its maps with those of fp32: median {np.median(likeness):.3f}.")
    _print_speed(fp32, int8, images, console)
    gates.enforce(found)


def _print_speed(fp32: Session, int8: Session, images: RealImages, console: Console) -> None:
    slow, fast = side_by_side([fp32, int8], next(images.batches(images.rows))[0][:1])
    console.print(f"One image: fp32 {slow:.2f} ms, int8 {fast:.2f} ms, {slow / fast:.2f} times as fast.")
    if fast >= slow:
        console.print(
            "Warning: int8 is no faster than fp32 on this machine; ship the fp32 file unless others gain.",
            style="yellow",
        )


def _open(model: onnx.ModelProto, draft: Path, threads: int | None) -> Session:
    """Write the file and read it back as a detector does, so that what is checked is what is shipped."""
    save(model, draft)
    return Session(shipped.read(draft).data, threads)


@contextlib.contextmanager
def _draft(output: Path) -> Iterator[Path]:
    """A name beside the output's that is free again afterwards."""
    draft = output.with_name(f".{output.name}.{os.getpid()}.draft")
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _check(config: ExportConfig) -> None:
    if config.quantize not in (None, INT8):
        raise UserError(f"quantize={config.quantize}{did_you_mean(config.quantize, [INT8])} is not null or {INT8}.")
    if config.threads is not None and config.threads < 1:
        raise UserError(f"threads={config.threads} is not at least 1; null takes all cores.")
    if config.licence is not None and not config.licence.strip():
        raise UserError("licence is empty: say in a sentence what may be done with the file, or leave it out.")


def _output(config: ExportConfig, file: Path) -> Path:
    """Where the file goes: `output`, else into the folder of the checkpoint's run."""
    if config.output is not None:
        output = Path(config.output)
        if output.suffix != ".onnx" or output.is_dir():
            raise UserError(f"output={output} is not a file whose name ends in .onnx.")
        return output
    folder = file.parent.parent if file.parent.name == "checkpoints" else file.parent
    return folder / ("detector.onnx" if config.quantize is None else f"detector-{config.quantize}.onnx")


def _metrics(state: Mapping[str, Any]) -> dict[str, Any]:
    """The validation score by which the checkpoint was chosen, which it carries itself: split -> metric -> value.

    What lies beside the checkpoint is left alone: the file would depend on the folder then.
    """
    for callback in state.get("callbacks", {}).values():
        if isinstance(callback, Mapping) and callback.get("current_score") is not None:
            split, _, name = str(callback.get("monitor")).partition("/")
            return {split: {name: round(float(callback["current_score"]), 6)}}
    return {}
