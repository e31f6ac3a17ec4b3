"""One face followed through a video, so that a bystander does not slip in."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from fakedet.detector.face import Face

_MAX_SHIFT = 1.0  # of the middle between two looks, as a share of the face's size
_MAX_GROWTH = 2.0  # of the size


@dataclass
class Track:
    """A face through the frames that it was found in.

    Attributes:
        faces: number of the frame -> the face.
    """

    faces: dict[int, Face] = field(default_factory=dict)

    @property
    def weight(self) -> float:
        """Sum of the areas: how large and how long it is seen."""
        return sum(face.area for face in self.faces.values())


def tracks(found: Sequence[Sequence[Face]]) -> list[Track]:
    """Link the faces of frames that follow one another, the heaviest track first.

    A face belongs to the track whose last face lies nearest, when that is no farther than the face is
    large and neither is twice the other's size; each frame gives a track one face, nearest pairs first.
    A face that was lost is picked up again where it was. After a cut the face is elsewhere and a new track
    begins, unless one face alone was to be seen on both sides of it and its size is alike.

    Args:
        found: the faces of each frame, in the order of time.
    """
    open_tracks: list[Track] = []
    for number, faces in enumerate(found):
        pairs = sorted(
            (distance, t, f)
            for t, track in enumerate(open_tracks)
            for f, face in enumerate(faces)
            if (distance := _distance(_last(track), face)) is not None
        )
        used_tracks: set[int] = set()
        used_faces: set[int] = set()
        for _, t, f in pairs:
            if t not in used_tracks and f not in used_faces:
                open_tracks[t].faces[number] = faces[f]
                used_tracks.add(t)
                used_faces.add(f)
        alone = len(faces) == 1 and len(open_tracks) == 1
        for f, face in enumerate(faces):
            if f in used_faces:
                continue
            if alone and _alike(_last(open_tracks[0]), face):
                open_tracks[0].faces[number] = face
            else:
                open_tracks.append(Track({number: face}))
    return sorted(open_tracks, key=lambda track: (-track.weight, min(track.faces)))


def follow(found: Sequence[Sequence[Face]]) -> list[Face | None]:
    """The main face of each frame: that of the heaviest track, or None where it was not found.

    Args:
        found: the faces of each frame, in the order of time.
    """
    main = next(iter(tracks(found)), Track())
    return [main.faces.get(number) for number in range(len(found))]


def _last(track: Track) -> Face:
    return track.faces[max(track.faces)]


def _alike(before: Face, now: Face) -> bool:
    small, large = sorted((before.side, now.side))
    return large <= _MAX_GROWTH * max(small, 1e-9)


def _distance(before: Face, now: Face) -> float | None:
    """Shift of the middle in sizes of the face; None where it cannot be the same."""
    if not _alike(before, now):
        return None
    shift = math.dist(before.centre, now.centre) / max(before.side, now.side, 1e-9)
    return shift if shift <= _MAX_SHIFT else None
