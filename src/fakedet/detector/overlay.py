"""Heatmaps drawn over their picture, and put below one folder and nowhere else."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from fakedet.detector.inputs import HEATMAP
from fakedet.detector.result import Finding
from fakedet.detector.terminal import percent, shown
from fakedet.errors import UserError

Picture = NDArray[np.uint8]

_LONGEST = 1600  # side of what is written, in pixels; a photograph's own would fill the disk
_SHORTEST = 480  # of its longer side: on a small crop nothing could be read
_QUALITY = 90
_STRENGTH = 0.65  # how much of the picture the strongest evidence covers
_COLOURS = {"real": (60, 170, 90), "uncertain": (225, 165, 40), "fake": (220, 50, 50)}
_DIGITS = 16
# What stands before the digest of a heatmap's picture: the head of a comment in a JPEG, whose length counts itself.
_MARK = b"\xff\xfe" + (2 + len(b"fakedet:") + _DIGITS).to_bytes(2, "big") + b"fakedet:"
_HEAD = 64
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def overlay(image: Picture, findings: Sequence[Finding]) -> Picture:
    """A picture with the evidence for a fake in warm colours, what was looked at, and the verdict on it.

    Args:
        image: RGB, (height, width, 3), uint8, upright.
        findings: in pixels of that picture; those with a heatmap are drawn.

    Returns:
        RGB, uint8, another array; its longer side has 480 to 1,600 pixels.
    """
    longest = max(image.shape[:2])
    scale = min(max(longest, _SHORTEST), _LONGEST) / longest
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    base = image if scale == 1 else cv2.resize(image, (width, height), interpolation=method)
    evidence = np.zeros((height, width), np.float32)
    for finding in findings:
        if finding.heatmap is not None:
            np.maximum(evidence, _placed(finding, scale, height, width), out=evidence)
    colours = cv2.cvtColor(
        cv2.applyColorMap(np.rint(255 * evidence).astype(np.uint8), cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB
    )
    cover = (_STRENGTH * evidence)[..., None]
    drawn = np.rint(base * (1 - cover) + colours * cover).astype(np.uint8)
    for finding in reversed(findings):  # the most suspicious last, above the others
        _label(drawn, finding, scale)
    return drawn


def _placed(finding: Finding, scale: float, height: int, width: int) -> NDArray[np.float32]:
    """The heatmap where it belongs in the picture, zero elsewhere."""
    assert finding.heatmap is not None
    rows, columns = finding.heatmap.shape
    corners = np.array([[0, 0], [columns, 0], [columns, rows]], np.float32) - np.float32(0.5)
    there = np.array(finding.region[:3], np.float32) * np.float32(scale) - np.float32(0.5)
    matrix = cv2.getAffineTransform(corners, there)
    return np.asarray(cv2.warpAffine(finding.heatmap, matrix, (width, height)), np.float32)


def _label(drawn: Picture, finding: Finding, scale: float) -> None:
    colour = _COLOURS[finding.verdict]
    size = max(drawn.shape[:2])
    line = max(1, round(size / 400))
    corners = np.rint(np.array(finding.region) * scale).astype(np.int32)
    cv2.polylines(drawn, [corners], isClosed=True, color=colour, thickness=line, lineType=cv2.LINE_AA)
    text, height = f"{finding.verdict}, P(fake) {percent(finding.probability)}", size / 1000
    (across, up), _ = cv2.getTextSize(text, _FONT, height, line)
    left = int(np.clip(corners[:, 0].min(), 0, max(0, drawn.shape[1] - across - 2 * line)))
    top = int(np.clip(corners[:, 1].min(), up + 4 * line, drawn.shape[0] - 1))
    cv2.rectangle(drawn, (left, top - up - 4 * line), (left + across + 2 * line, top), colour, cv2.FILLED)
    cv2.putText(drawn, text, (left + line, top - 2 * line), _FONT, height, (255, 255, 255), line, cv2.LINE_AA)


def open_folder(folder: Path) -> Path:
    """The folder, made where it is missing, by its real name.

    Raises:
        UserError: when it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"heatmaps={shown(folder)} cannot be made ({error.strerror}).") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"heatmaps={shown(folder)} cannot be written to.")
    return folder.resolve()


class PlaceTaken(UserError):
    """Something else lies where a heatmap should be written."""


def is_anothers(file: Path, name: str) -> bool:
    """Whether `write` has written it of a picture that is called otherwise; earlier versions did not note that."""
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return False
    return _MARK in head and _MARK + _digest(name) not in head


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS].encode()


def write(folder: Path, place: PurePosixPath, picture: Picture, name: str) -> PurePosixPath:
    """Write an RGB picture as JPEG at a place below a folder; a link that leads out of it is not followed.

    Args:
        folder: by its real name.
        place: below it.
        picture: what is written.
        name: of what it shows. Where that of another lies, an earlier run's, it is put beside that.

    Returns:
        Where it lies.

    Raises:
        UserError: when it cannot be written; `PlaceTaken` for a folder of its name, or a file in place of its folder.
    """
    if is_anothers(folder / place, name):
        base = place.name.removesuffix(HEATMAP)
        place = place.with_name(f"{base}-{_digest(name).decode()}{HEATMAP}")
    file = folder / place
    try:
        if not file.parent.resolve().is_relative_to(folder):
            raise UserError(f"{shown(file)} is not written: it lies outside of {shown(folder)}.")
        file.parent.mkdir(parents=True, exist_ok=True)
        done, data = cv2.imencode(
            ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
        )
        assert done
        partial = file.with_name(f".{file.name}.partial")
        partial.unlink(missing_ok=True)  # were it a link, it would be written through
        # A comment, as the first thing in the file.
        partial.write_bytes(_MARK.join((b"\xff\xd8", _digest(name))) + data.tobytes()[2:])
        partial.replace(file)
    except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
        raise PlaceTaken(f"{shown(file)} cannot be written ({error.strerror}).") from error
    except OSError as error:
        raise UserError(f"{shown(file)} cannot be written ({error.strerror}).") from error
    return place
