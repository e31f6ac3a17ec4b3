import networkx as nx
import numpy as np
import pandas as pd
import pytest

from fakedet.data.audit.findings import Line, lines, verdict
from fakedet.data.audit.fingerprints import Fingerprints
from fakedet.data.audit.leaks import Leak, Leaks
from fakedet.data.audit.shortcuts import TOGETHER, Shortcut

PATHS = ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"]


def _prints(checked: int = 0, edited: list[int] | None = None) -> Fingerprints:
    none = np.zeros(0)
    return Fingerprints(none.astype(np.int64), none.astype(np.uint64), none.astype(bool), checked, edited or [])


def _lines(
    leaks: list[Leak], prints: Fingerprints, shortcuts: list[Shortcut], covered: pd.DataFrame | None = None
) -> list[Line]:
    return lines(Leaks(leaks, pd.DataFrame(), nx.Graph()), prints, PATHS, shortcuts, covered)


def _covered(real: int, fake: int) -> pd.DataFrame:
    counts = {"files": 10, "unreadable": 0, "frames": 1000}
    return pd.DataFrame(
        [{"label": 0, "method": "real", "faces": real, **counts}, {"label": 1, "method": "x", "faces": fake, **counts}]
    )


def test_every_line_says_what_was_found() -> None:
    found = _lines(
        [
            Leak("video", unknown="not in the manifest"),
            Leak("person", ["id1", "id2", "id3", "id4"], 1200),
            Leak("source clip"),
            Leak("file", ["a.jpg"], 1),
        ],
        _prints(checked=2000),
        [Shortcut("width", "width", 100, 0.7512, 0.7, 0.8, "finding", says="real pictures are wide")],
        _covered(990, 960),
    )
    assert [(line.what, line.found, line.verdict, line.says) for line in found] == [
        ("same video", "not in the manifest", "not known", ""),
        ("same person", "4 in 1,200 images", "finding",
         "4 people in several splits, in 1,200 images of the later ones (id1, id2, id3, …)"),
        ("same source clip", "0", "fine", ""),
        ("same file", "1 image", "finding", "1 image of one split in another too, byte for byte (a.jpg)"),
        ("files changed since", "0 of 2,000 checked", "fine", ""),
        ("width", "AUC 0.751 [0.700, 0.800]", "finding", "real pictures are wide"),
        ("frames with a face", "real 99.0 %, fake 96.0 %", "finding",
         "a face was found in 99.0 % of the real frames but in 96.0 % of the fake ones"),
    ]  # fmt: skip


@pytest.mark.parametrize(("fake", "expected"), [(971, "fine"), (969, "finding")])
def test_classes_may_differ_by_two_points_in_faces(fake: int, expected: str) -> None:
    assert _lines([], _prints(), [], _covered(990, fake))[-1].verdict == expected


def test_coverage_of_one_class_says_nothing() -> None:
    covered = _covered(990, 0)
    covered = covered[covered["label"] == 0]
    assert _lines([], _prints(), [], covered)[-1].verdict == "not known"


def test_changed_files_are_named() -> None:
    (line,) = _lines([], _prints(checked=5, edited=[1, 4]), [])
    assert (line.found, line.verdict, line.examples) == ("2 of 5 checked", "finding", "b.jpg, e.jpg")
    assert _lines([], _prints(), [])[0].found == "no sha256 in the manifest"


def _line(number: int, part: str = "leaks", what: str = "same video") -> Line:
    return Line(part, what, "", "finding", f"fault {number}")


def test_the_verdict_is_one_sentence_with_the_first_findings() -> None:
    fine = Line("leaks", "same video", "0", "fine")
    text = verdict("faces", 1600, 800, [fine, *(_line(number) for number in range(6))])
    assert text == "faces has faults that a score would hide: fault 0; fault 1; fault 2; fault 3; and 2 more."


def test_all_properties_together_are_named_only_where_no_single_one_is() -> None:
    together, width = _line(1, "shortcuts", TOGETHER), _line(2, "shortcuts", "width")
    assert verdict("faces", 1, 1, [together, width]).endswith("hide: fault 2.")
    assert verdict("faces", 1, 1, [together, _line(3)]).endswith("hide: fault 1; fault 3.")


def test_a_clean_verdict_says_how_much_it_rests_on_and_what_could_not_be_told() -> None:
    fine, few = Line("leaks", "same video", "0", "fine"), Line("shortcuts", "width", "", "too few to tell")
    unknown = [Line("leaks", f"same {kind}", "not in the manifest", "not known") for kind in ("person", "source clip")]
    clean = "Neither a leak nor a shortcut was found in the 1,600 images (800 groups) of faces"
    assert verdict("faces", 1600, 800, [fine]) == f"{clean}."
    assert verdict("faces", 1600, 800, [few, few]) == f"{clean}, but of 2 properties there are too few images to tell."
    text = verdict("faces", 1600, 800, [fine, *unknown, few])
    names = "its manifest names no person, no source clip"
    assert text == f"{clean}, but {names} and of 1 property there are too few images to tell."
    one = Line("leaks", "same video", "there is one split only", "not known")
    assert verdict("faces", 1600, 800, [one, one]) == f"{clean}, but there is one split only."
