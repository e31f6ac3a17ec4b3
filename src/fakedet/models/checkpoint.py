"""The checkpoint's format: Lightning's, stamped with what is needed to rebuild the detector from it alone."""

import contextlib
import logging
import operator
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from fakedet.detector.decision import Decision
from fakedet.detector.spec import PreprocessSpec
from fakedet.detector.trained_on import TrainedOn
from fakedet.errors import UserError
from fakedet.models.registry import Network, build

log = logging.getLogger(__name__)

FORMAT = 2
_KEY = "fakedet"
_PREFIX = "network."
# What a data section names on the machine that it was trained on.
_FOLDERS = ("root", "raw", "sets", "ffpp_splits", "celebdf_list")
BEST, LAST = "best.ckpt", "last.ckpt"


@dataclass(frozen=True)
class Card:
    """What a checkpoint knows of its detector beside the weights; plain values only.

    Attributes:
        model: registry key of the network.
        options: what `build` needs beside it.
        preprocess: how pictures become its input.
        data: the data section of the config that it was trained with.
        protocol: hash over the rows it was trained, validated and tested on.
        protocol_name: how these rows were split, in words.
        datasets: names of the data sets that it was trained on, sorted; as the digests, with those of the checkpoints
            whose weights it began with.
        images: number of the images of its own training.
        trained_on: digests of the training images' files, videos, source clips and people.
        decision: what it says of a score; unfitted until `write_decision`.
    """

    model: str
    options: Mapping[str, Any]
    preprocess: PreprocessSpec
    data: Mapping[str, Any]
    protocol: str
    protocol_name: str
    datasets: tuple[str, ...]
    images: int
    trained_on: TrainedOn
    decision: Decision = field(default_factory=Decision)


def stamp(checkpoint: dict[str, Any], card: Card) -> None:
    """Add the card to a checkpoint that Lightning is about to write."""
    checkpoint[_KEY] = {
        "format": FORMAT,
        "model": card.model,
        "options": dict(card.options),
        "preprocess": card.preprocess.to_json(),
        "data": dict(card.data),
        "protocol": card.protocol,
        "protocol_name": card.protocol_name,
        "datasets": list(card.datasets),
        "images": card.images,
        "trained_on": card.trained_on.to_json(),
        "decision": card.decision.to_json(),
    }


def write_decision(file: Path, decision: Decision) -> None:
    """Put a decision into a checkpoint in place of the one it has; everything else stays as it is.

    The file is the old one or the new one, whenever the process is killed; equal contents give equal bytes.

    Raises:
        UserError: when it is not a checkpoint of ours, or cannot be written.
    """
    checkpoint = read(file)
    checkpoint[_KEY]["decision"] = decision.to_json()
    _save(checkpoint, file)


def write_bare(file: Path, target: Path) -> None:
    """Write a checkpoint to hand on: weights and card, without the training's state and without its folders.

    It is fine-tuned from (`model.weights=`), evaluated and exported like any other, and a quarter of the size; equal
    weights and cards give equal bytes.

    Raises:
        UserError: when `file` is not a checkpoint of ours, or `target` cannot be written.
    """
    checkpoint = read(file)
    data = {name: value for name, value in checkpoint[_KEY]["data"].items() if name not in _FOLDERS}
    card = {**checkpoint[_KEY], "data": {**data, "root": "."}}
    weights = {key: value.clone() for key, value in checkpoint["state_dict"].items() if key.startswith(_PREFIX)}
    kept = {"state_dict": weights, _KEY: card}
    # What Lightning asks of a checkpoint that it reads.
    _save({"pytorch-lightning_version": checkpoint["pytorch-lightning_version"], **kept}, target)


def _save(checkpoint: dict[str, Any], file: Path) -> None:
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with partial.open("wb") as stream:  # given a path, torch would write its name into the file
            torch.save(checkpoint, stream)
        partial.replace(file)
    except (OSError, RuntimeError) as error:  # torch calls a full disk a RuntimeError
        with contextlib.suppress(OSError):
            partial.unlink()
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{file} cannot be written ({reason}); check the folder's rights and space.") from error


def find(place: Path, name: str = BEST) -> Path:
    """The checkpoint that a file name or a run folder stands for.

    Raises:
        UserError: when there is none.
    """
    if place.is_dir():
        for folder in (place / "checkpoints", place):
            for candidate in (folder / name, folder / LAST):
                if candidate.is_file():
                    return candidate
        raise UserError(f"{place} holds no checkpoint (checkpoints/{name}).")
    if not place.is_file():
        raise UserError(f"There is no checkpoint {place}.")
    return place


def read(file: Path) -> dict[str, Any]:
    """The whole checkpoint; nothing that it holds is run.

    Raises:
        UserError: when it is damaged, holds more than tensors and plain values, or is another program's.
    """
    try:
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{file} is refused: it is damaged, or holds more than tensors and plain values; nothing in it was run."
        ) from error
    except Exception as error:  # bytes of any kind make the unpickler raise anything, IndexError for one
        raise UserError(f"{file} is not a checkpoint, or is damaged.") from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get(_KEY), dict):
        raise UserError(f"{file} is a checkpoint of another program: train one with src/train.py.")
    found = checkpoint[_KEY].get("format")
    if found != FORMAT:
        raise UserError(f"{file} has checkpoint format {found}, this version reads {FORMAT}: train it again.")
    return checkpoint


def learned_from(file: Path) -> tuple[tuple[str, ...], TrainedOn]:
    """What a file of weights was trained on: names of data sets, and digests; both empty where it does not say.

    Raises:
        UserError: when it is a checkpoint of ours whose card is damaged.
    """
    try:
        stored = read(file)[_KEY]
    except UserError:
        log.info("%s does not say what it was trained on: no image of that will be recognised.", file)
        return (), TrainedOn()
    try:
        return tuple(str(name) for name in stored["datasets"]), TrainedOn.from_json(stored["trained_on"])
    except (UserError, KeyError, TypeError) as error:
        raise UserError(f"{file} is damaged: its record of what it was trained on cannot be read.") from error


def load(file: Path) -> tuple[Network, Card]:
    """Rebuild network and card from a checkpoint alone.

    Returns:
        The network in evaluation mode, on the CPU, channels last; and the card.

    Raises:
        UserError: when the checkpoint cannot be used; it says why.
    """
    checkpoint = read(file)
    try:
        stored = checkpoint[_KEY]
        card = Card(
            model=str(stored["model"]),
            options=dict(stored["options"]),
            preprocess=PreprocessSpec.from_json(stored["preprocess"]),
            data=dict(stored["data"]),
            protocol=str(stored["protocol"]),
            protocol_name=str(stored["protocol_name"]),
            datasets=tuple(str(name) for name in stored["datasets"]),
            images=operator.index(stored["images"]),
            trained_on=TrainedOn.from_json(stored["trained_on"]),
            decision=Decision.from_json(stored["decision"]),
        )
        weights = {
            key.removeprefix(_PREFIX): value
            for key, value in checkpoint["state_dict"].items()
            if key.startswith(_PREFIX)
        }
        network = build(card.model, weights=None, **card.options)
        network.load_state_dict(weights)
    except UserError as error:
        raise UserError(f"{file} cannot be used: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise UserError(f"{file} is damaged: {' '.join(str(error).split())[:200]}.") from error
    return network.eval().to(memory_format=torch.channels_last), card
