"""Network and card to one .onnx file whose bytes depend on nothing else."""

import contextlib
import json
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import torch

from fakedet.detector.card import DetectorCard
from fakedet.errors import UserError
from fakedet.export.graph import ShippedGraph
from fakedet.models.registry import Network

OPSET = 20
METADATA_KEY = "fakedet"
_MOST_BYTES = 2_000_000_000  # a protocol buffer ends at 2 GiB


def write_onnx(network: Network, card: DetectorCard, file: Path) -> None:
    """Write the shipped file: weights, calibration, class-activation map where there is one, and the card.

    The input `image` is (batch, 3, S, S) float32, normalised. Outputs are `logit` (batch,), `probability`
    (batch,), calibrated, and `map` (batch, h, w), at least 0 and as large as it comes out, for a network that
    ends in global average pooling and one linear layer. Equal weights and an equal card give equal bytes.

    Raises:
        UserError: for a network that cannot be written this way, and a file that cannot be written.
    """
    save(to_model(network, card), file)


def to_model(network: Network, card: DetectorCard) -> onnx.ModelProto:
    """What `write_onnx` writes; the network stays as it is.

    Raises:
        UserError: for a network that is too large for one file, or computes what ONNX cannot express.
    """
    size = card.preprocess.size
    weight_bytes = sum(4 * parameter.numel() for parameter in network.parameters())
    if weight_bytes > _MOST_BYTES:
        raise UserError(
            f"{network.name} {network.options} has {weight_bytes / 1e9:.1f} GB of weights: one .onnx file ends at 2."
        )
    graph = ShippedGraph(network, card.decision.calibration, size).eval()
    example = torch.zeros(2, 3, size, size)  # two, because a batch of one would be taken for a constant
    try:
        with _quiet():
            program = torch.onnx.export(
                graph,
                (example,),
                input_names=["image"],
                output_names=graph.names,
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = " ".join(str(error.__cause__ or error).split())[:200]
        raise UserError(f"{network.name} {network.options} cannot be written as ONNX: {reason}.") from error
    assert program is not None
    model = program.model_proto
    strip(model)
    write_card(model, card)
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch's exporter says of itself: warnings about its own parts, and every node that it moves."""
    loggers = [logging.getLogger(name) for name in ("onnx_ir", "onnxscript", "torch.onnx")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def strip(model: onnx.ModelProto) -> None:
    """Take out what tells of the machine and not of the network: stack traces, paths, scopes, versions."""
    model.producer_name, model.producer_version = METADATA_KEY, ""
    del model.metadata_props[:]
    del model.graph.value_info[:]
    for part in _parts(model):
        for name in ("doc_string", "metadata_props"):
            if name in part.DESCRIPTOR.fields_by_name:
                part.ClearField(name)


def _parts(message: Any) -> Iterator[Any]:
    """A protocol buffer and every one inside it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if field.is_repeated else [value]:
                yield from _parts(part)


def write_card(model: onnx.ModelProto, card: DetectorCard) -> None:
    """Put the card into the model's metadata, as its only entry."""
    del model.metadata_props[:]
    text = json.dumps(card.to_json(), sort_keys=True, ensure_ascii=False, allow_nan=False)
    model.metadata_props.add(key=METADATA_KEY, value=text)


def serialise(model: onnx.ModelProto) -> bytes:
    """The file's bytes; equal models give equal ones."""
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def save(model: onnx.ModelProto, file: Path) -> None:
    """Write the model; the file is the old one or the new one, whenever the process is killed.

    Raises:
        UserError: when it cannot be written.
    """
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(serialise(model))
        partial.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"{file} cannot be written ({reason}); choose another with output=….") from error
