"""A shipped `.onnx` file: read, told from what it is not, and its card taken out, before anything in it is run.

The base install has no `onnx` package, and ONNX Runtime reads everything before it can be asked: only the
few fields that matter here are looked at, in the wire format of Protocol Buffers.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakedet.detector.card import LABELS, DetectorCard
from fakedet.errors import UserError

OWN = Path(__file__).with_name("weights") / "detector.onnx"  # the one that comes with the package
KEY = "fakedet"  # of the metadata that holds the card
MAX_BYTES = (2 << 30) - 1  # of a file; Protocol Buffers end there
MAX_CARD = 64 << 20  # bytes of its text
_MAX_FIELDS = 4_000_000  # of a file; a network has some thousands
_EXTERNAL = 1  # TensorProto.DataLocation

# Field numbers of onnx.proto3.
_MODEL = {"graph": 7, "metadata": 14, "functions": 25}
_GRAPH = {"node": 1, "initializer": 5, "sparse": 15}
_NODE = {"type": 4, "attribute": 5, "domain": 7}
_ATTRIBUTE = {"tensor": 5, "graph": 6, "tensors": 10, "graphs": 11, "sparse": 22, "sparses": 23}
_TENSOR = {"external": 13, "location": 14}


@dataclass(frozen=True, eq=False)
class Shipped:
    """A file that may be run.

    Attributes:
        data: all of it.
        sha256: of these bytes, in hexadecimal.
        card: what it says of itself, checked.
    """

    data: bytes
    sha256: str
    card: DetectorCard


class _DamagedError(Exception):
    """The bytes are not in the wire format."""


def read(file: Path, sha256: str | None = None) -> Shipped:
    """Read a shipped file; nothing in it is run.

    Args:
        file: the `.onnx`.
        sha256: what its digest has to be, in hexadecimal; None takes any.

    Raises:
        UserError: when it is missing, damaged, too large, another file than the one meant, no detector of ours, or
            holds more than a plain network.
    """
    data = _bytes(file)
    digest = hashlib.sha256(data).hexdigest()
    if sha256 is not None and sha256.strip().lower() != digest:
        raise UserError(f"{file} is another file than the one asked for: its SHA-256 is {digest}, not {sha256:.80}.")
    if data.startswith(b"PK"):
        raise UserError(f"{file} is a checkpoint or an archive: make a detector of a checkpoint with src/export.py.")
    try:
        text = _Walk().model(memoryview(data))
    except _DamagedError as error:
        raise UserError(f"{file} is no ONNX file, or is truncated or damaged.") from error
    except UserError as error:
        raise UserError(f"{file} is refused: {error}") from error
    if text is None:
        raise UserError(f"{file} is no detector: it has no card; write one with src/export.py.")
    try:
        return Shipped(data, digest, _card(text))
    except UserError as error:
        raise UserError(f"{file} cannot be used: {error}") from error


def _bytes(file: Path) -> bytes:
    try:
        if file.is_dir():
            raise UserError(f"{file} is a folder: name the .onnx file in it.")
        if not file.is_file():
            raise UserError(f"There is no file {file}: write one with src/export.py.")
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise UserError(f"{file} has {size:,} bytes, more than the {MAX_BYTES:,} that an ONNX file may have.")
        data = file.read_bytes()
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read ({getattr(error, 'strerror', None) or error}).") from error
    if not data:
        raise UserError(f"{file} is empty: write it again with src/export.py.")
    return data


def _card(text: memoryview) -> DetectorCard:
    if len(text) > MAX_CARD:
        raise UserError(f"its card has {len(text):,} bytes, more than {MAX_CARD:,}.")
    try:
        values: Any = json.loads(bytes(text), parse_constant=_no_number)
        card = DetectorCard.from_json(values)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise UserError(f"its card is damaged ({' '.join(str(error).split())[:120]}).") from error
    if values.get("labels") != list(LABELS):
        raise UserError(f"its card has labels {values.get('labels')!r:.60} instead of {list(LABELS)}.")
    if type(card.preprocess.size) is not int:
        raise UserError(f"its card has preprocess.size={card.preprocess.size}, which is not a whole number.")
    return card


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


class _Walk:
    """One pass over a model's fields."""

    def __init__(self) -> None:
        self._left = _MAX_FIELDS

    def model(self, data: memoryview) -> memoryview | None:
        """The card's text, or None where there is none.

        Raises:
            UserError: for what is more than a plain network in one file.
        """
        card, graphs = None, 0
        for number, value in self._messages(data):
            if number == _MODEL["functions"]:
                raise UserError("it defines operations of its own; export it again.")
            if number == _MODEL["graph"]:
                graphs += 1
                self._graph(value)
            if number == _MODEL["metadata"]:
                entry = dict(self._messages(value))
                if bytes(entry.get(1, b"")) == KEY.encode():
                    if card is not None:
                        raise UserError("it has two cards.")
                    card = entry.get(2, memoryview(b""))
        if graphs != 1:
            raise _DamagedError
        return card

    def _graph(self, data: memoryview) -> None:
        for number, value in self._messages(data):
            if number == _GRAPH["node"]:
                self._node(value)
            elif number == _GRAPH["initializer"]:
                self._tensor(value)
            elif number == _GRAPH["sparse"]:
                raise UserError("it holds sparse weights, which no detector has.")

    def _node(self, data: memoryview) -> None:
        parts = list(self._messages(data))
        kind = next((bytes(value).decode(errors="replace") for number, value in parts if number == _NODE["type"]), "")
        for number, value in parts:
            if number == _NODE["domain"] and bytes(value) not in (b"", b"ai.onnx"):
                domain = bytes(value[:60]).decode(errors="replace")
                raise UserError(f"it needs the custom operation {domain}.{kind:.60}; only ONNX's own are run.")
            if number == _NODE["attribute"]:
                self._attribute(value, kind)

    def _attribute(self, data: memoryview, kind: str) -> None:
        for number, value in self._messages(data):
            if number in (_ATTRIBUTE["tensor"], _ATTRIBUTE["tensors"]):
                self._tensor(value)
            elif number in (_ATTRIBUTE["graph"], _ATTRIBUTE["graphs"]):
                raise UserError(f"it has loops or branches ({kind:.60}), which no detector has.")
            elif number in (_ATTRIBUTE["sparse"], _ATTRIBUTE["sparses"]):
                raise UserError("it holds sparse weights, which no detector has.")

    def _tensor(self, data: memoryview) -> None:
        for number, value in self._fields(data):
            if number == _TENSOR["external"] or (number == _TENSOR["location"] and value == _EXTERNAL):
                raise UserError("it keeps weights in another file; a detector is one file, export it again.")

    def _messages(self, data: memoryview) -> Iterator[tuple[int, memoryview]]:
        for number, value in self._fields(data):
            if isinstance(value, memoryview):
                yield number, value

    def _fields(self, data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
        """Number and value of each field: a whole number, or the bytes of what has a length."""
        place, end = 0, len(data)
        while place < end:
            self._left -= 1
            tag, place = _varint(data, place)
            number, kind = tag >> 3, tag & 7
            if self._left < 0 or not 0 < number < 1 << 29:
                raise _DamagedError
            if kind == 0:
                value, place = _varint(data, place)
                yield number, value
                continue
            if kind == 2:
                length, place = _varint(data, place)
            elif kind in (1, 5):
                length = 8 if kind == 1 else 4
            else:
                raise _DamagedError
            if length > end - place:
                raise _DamagedError
            yield number, data[place : place + length]
            place += length


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise _DamagedError
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise _DamagedError
