"""Shipped files made of another: with another card, or with something in them that does not belong there."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from fakedet.detector import shipped
from fakedet.detector.spec import FaceSpec, PreprocessSpec
from fakedet.export.onnx_file import write_card


def changed(file: Path, target: Path, change: Callable[[onnx.ModelProto], Any]) -> Path:
    """A copy in which a function has changed the model."""
    model = onnx.load(file)
    change(model)
    target.write_bytes(model.SerializeToString())
    return target


def with_card(file: Path, target: Path, **values: Any) -> Path:
    """A copy whose card has other values."""
    card = replace(shipped.read(file).card, **values)
    return changed(file, target, lambda model: write_card(model, card))


def of_faces(file: Path, target: Path, no_face: str = "exclude", **face: Any) -> Path:
    """A copy that finds faces and judges them."""
    spec = shipped.read(file).card.preprocess
    return with_card(file, target, preprocess=PreprocessSpec(face=FaceSpec(**face), size=spec.size, no_face=no_face))
