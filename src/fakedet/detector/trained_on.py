"""What a detector was trained on, as digests: enough to recognise it again; the names themselves are not kept."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fakedet.errors import UserError

NAMED = ("video", "source_clip", "identity")
KINDS = ("file", *NAMED)
UNKNOWN = 0  # stands where there is no digest, as for a file that cannot be read
Digests = NDArray[np.int64]


def _nothing() -> Digests:
    return np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class TrainedOn:
    """Digests of the training material by kind, 64 bits each: sorted, each once, never `UNKNOWN`; (n,) int64.

    Attributes:
        file: first 64 bits of the SHA-256 of each file.
        video: `digest_names` of the videos that frames were taken from.
        source_clip: the same of the real clips that fakes were made from.
        identity: the same of the people, whether filmed or swapped in.
    """

    file: Digests = field(default_factory=_nothing)
    video: Digests = field(default_factory=_nothing)
    source_clip: Digests = field(default_factory=_nothing)
    identity: Digests = field(default_factory=_nothing)

    def __post_init__(self) -> None:
        for kind in KINDS:
            digests = np.unique(getattr(self, kind))
            digests = digests[digests != UNKNOWN]
            digests.flags.writeable = False
            object.__setattr__(self, kind, digests)

    def and_also(self, other: "TrainedOn") -> "TrainedOn":
        """The digests of both."""
        return TrainedOn(**{kind: np.concatenate([getattr(self, kind), getattr(other, kind)]) for kind in KINDS})

    def seen(self, kind: str, digests: Digests) -> NDArray[np.bool_]:
        """Which of these digests, of one of `KINDS`, are known from training; of their shape."""
        return np.isin(digests, self.to_dict()[kind])

    def to_dict(self) -> dict[str, Digests]:
        """Kind -> digests."""
        return {kind: getattr(self, kind) for kind in KINDS}

    def to_json(self) -> dict[str, str]:
        """Kind -> base64 of little-endian 64-bit integers; `from_json` gives the same back."""
        return {
            kind: base64.b64encode(digests.astype("<i8").tobytes()).decode("ascii")
            for kind, digests in self.to_dict().items()
        }

    @classmethod
    def from_json(cls, values: Any) -> "TrainedOn":
        """The digests of such a dict.

        Raises:
            UserError: when a kind is missing or unknown, or its text is not what `to_json` writes.
        """
        if not isinstance(values, Mapping):
            raise UserError(f"trained_on={values!r:.60} is no mapping of kinds to digests.")
        unknown = [kind for kind in values if kind not in KINDS]
        if unknown:
            raise UserError(f"trained_on has no kind {unknown[0]!r:.60}; it has {', '.join(KINDS)}.")
        missing = [kind for kind in KINDS if kind not in values]
        if missing:
            raise UserError(f"trained_on lacks {', '.join(missing)}.")
        return cls(**{kind: _read(kind, values[kind]) for kind in KINDS})


def digest_names(kind: str, names: Iterable[str]) -> Digests:
    """First 64 bits of the SHA-256 of `kind:name`, in the names' order.

    Args:
        kind: one of `NAMED`; a name of one kind never equals that of another.
        names: those that are equal are taken for the same thing.
    """
    if kind not in NAMED:
        raise ValueError(f"{kind} is none of {', '.join(NAMED)}")
    # A file's name that is not UTF-8 comes from the system with lone surrogates.
    texts = (f"{kind}:{name}".encode("utf-8", "surrogatepass") for name in names)
    found = [int.from_bytes(hashlib.sha256(text).digest()[:8], "big", signed=True) for text in texts]
    return np.array(found, np.int64)


def _read(kind: str, text: object) -> Digests:
    damaged = UserError(f"trained_on.{kind} is damaged: it is no base64 text of sorted 64-bit integers.")
    if not isinstance(text, str):
        raise damaged
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise damaged from error
    if len(data) % 8:
        raise damaged
    digests = np.frombuffer(data, "<i8").astype(np.int64)
    # Compared and not subtracted: a difference of such integers may overflow.
    if (digests[1:] <= digests[:-1]).any():
        raise damaged
    return digests
