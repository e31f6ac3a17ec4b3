"""One face followed through a video, so that a bystander does not slip in."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fakedet.detector.face import Face, Point

_MOST_SHIFT = 1.0  # of a face's middle between two looks, in sides of its box
_MOST_GROWTH = 2.0  # of its side, to the double or the half


@dataclass(frozen=True)
class Track:
    """One face through a video.

    Attributes:
        faces: number of the frame, among those looked at -> the face there; rising.
    """

    faces: dict[int, Face]

    @property
    def weight(self) -> float:
        """Sum of the boxes' areas: how large and how long the face is seen."""
        return sum(face.area for face in self.faces.values())


def tracks(found: Sequence[Sequence[Face]]) -> list[Track]:
    """Link the faces of a video's frames into tracks, the heaviest first.

    A face goes on where the last one of its track, moved on as fast as before, lies within one side of its
    box and is neither twice as large nor half. Of several pairs those that differ least in place and size
    are linked first, and each track gets one face a frame. A face that was not found for a while goes on
    where it was.

    After a cut faces are elsewhere, and new tracks begin; but where one face alone is seen before and after
    it, and is alike in size, they are one track: frames are often seconds apart, and cuts from a person to
    the same person are the usual ones.

    Args:
        found: the faces of each frame, in the order of time.

    Returns:
        Every face is in exactly one track. Equally heavy ones are in the order of their first frames, and
        of their faces there.
    """
    linked: list[dict[int, Face]] = []
    alone: int | None = None  # the track whose face was the only one in the last frame with faces
    for frame, faces in enumerate(found):
        pairs = [
            (difference, track, place)
            for track, seen in enumerate(linked)
            for place, face in enumerate(faces)
            if (difference := _difference(seen, frame, face)) is not None
        ]
        owners: dict[int, int] = {}
        for _, track, place in sorted(pairs):
            if place not in owners and track not in owners.values():
                owners[place] = track
        if len(faces) == 1 and not owners and alone is not None and _growth(_last(linked[alone]), faces[0]) is not None:
            owners[0] = alone
        for place, face in enumerate(faces):
            if place not in owners:
                owners[place] = len(linked)
                linked.append({})
            linked[owners[place]][frame] = face
        if faces:
            alone = owners[0] if len(faces) == 1 else None
    return sorted((Track(seen) for seen in linked), key=lambda track: -track.weight)


def follow(found: Sequence[Sequence[Face]]) -> list[Face | None]:
    """The main face of each frame: the one of the heaviest track, None where that has none.

    Args:
        found: the faces of each frame, in the order of time.
    """
    every = tracks(found)
    return [every[0].faces.get(frame) if every else None for frame in range(len(found))]


def _last(seen: dict[int, Face]) -> Face:
    return seen[next(reversed(seen))]


def _difference(seen: dict[int, Face], frame: int, face: Face) -> float | None:
    """How unlike a face is to what a track leads to expect, in place and size; None where it is another."""
    growth = _growth(_last(seen), face)
    if growth is None:
        return None
    shift = math.dist(_expected(seen, frame), face.centre) / max(_last(seen).side, face.side)
    return shift + growth if shift <= _MOST_SHIFT else None


def _growth(before: Face, now: Face) -> float | None:
    small, large = sorted((before.side, now.side))
    return math.log2(large / small) if large <= _MOST_GROWTH * small else None


def _expected(seen: dict[int, Face], frame: int) -> Point:
    """Where the middle would be now; a speed is only known from frame to frame."""
    last = next(reversed(seen))
    x, y = seen[last].centre
    if last != frame - 1 or last - 1 not in seen:
        return x, y
    earlier_x, earlier_y = seen[last - 1].centre
    return 2 * x - earlier_x, 2 * y - earlier_y
