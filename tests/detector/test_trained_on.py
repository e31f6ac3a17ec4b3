"""Digests of the training material: kept, found again, and refused where their text is not whole."""

import base64
import hashlib
import json
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

from fakedet.data.datamodule import UNREADABLE
from fakedet.detector.trained_on import KINDS, NAMED, UNKNOWN, TrainedOn, digest_names
from fakedet.errors import UserError

LOWEST, HIGHEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


def _ints(*values: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(values, np.int64)


def test_a_digest_is_the_first_half_of_the_hash_of_kind_and_name() -> None:
    names = ["celebdf:id0", "Übung 1", "celebdf:id0"]
    wanted = [int(hashlib.sha256(f"identity:{name}".encode()).hexdigest()[:16], 16) for name in names]
    found = digest_names("identity", names)
    assert found.dtype == np.int64
    assert found.astype(np.uint64).tolist() == wanted
    assert digest_names("video", []).shape == (0,)
    assert digest_names("video", [b"real/\xff.mp4".decode("utf-8", "surrogateescape")]).shape == (1,)


def test_equal_names_of_two_kinds_are_two_things() -> None:
    assert len({int(digest_names(kind, ["071"])[0]) for kind in NAMED}) == len(NAMED)
    with pytest.raises(ValueError, match="file is none of video, source_clip, identity"):
        digest_names("file", ["a.png"])


def test_digests_are_sorted_and_each_is_there_once() -> None:
    known = TrainedOn(file=_ints(7, LOWEST, HIGHEST, 7, UNKNOWN, -5), identity=_ints(3))
    assert known.file.tolist() == [LOWEST, -5, 7, HIGHEST]
    assert [len(digests) for digests in known.to_dict().values()] == [4, 0, 0, 1]
    with pytest.raises(FrozenInstanceError):
        known.file = _ints(1)  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        known.file[0] = 1


def test_what_was_trained_on_is_known_by_its_kind() -> None:
    known = TrainedOn(file=_ints(LOWEST, 7, HIGHEST), video=_ints(8))
    assert known.seen("file", _ints(8, 7, LOWEST, 7, HIGHEST)).tolist() == [False, True, True, True, True]
    assert known.seen("video", _ints(8, 7)).tolist() == [True, False]
    assert known.seen("identity", _ints(8, 7)).tolist() == [False, False]
    assert known.seen("file", _ints()).shape == (0,)


def test_what_has_no_digest_is_never_known() -> None:
    assert UNKNOWN == UNREADABLE
    text = base64.b64encode(np.array([-1, UNKNOWN, 1], "<i8").tobytes()).decode()
    known = TrainedOn.from_json({**TrainedOn().to_json(), "file": text})
    assert known.seen("file", _ints(UNKNOWN, 1)).tolist() == [False, True]


def test_json_gives_the_same_digests_back() -> None:
    rng = np.random.default_rng(3)
    known = TrainedOn(**{kind: rng.integers(LOWEST, HIGHEST, 100 * place) for place, kind in enumerate(KINDS)})
    text = json.dumps(known.to_json())
    again = TrainedOn.from_json(json.loads(text))
    for kind, digests in known.to_dict().items():
        assert again.to_dict()[kind].dtype == np.int64
        assert np.array_equal(again.to_dict()[kind], digests)
    assert again.to_json() == known.to_json()
    assert len(text) < 11 * 600 + 100, "eight bytes a digest, in base64"


def test_the_text_is_the_same_on_every_machine() -> None:
    assert TrainedOn(video=_ints(258, -2)).to_json() == {
        "file": "",
        "video": base64.b64encode(b"\xfe" + 7 * b"\xff" + b"\x02\x01" + 6 * b"\0").decode(),
        "source_clip": "",
        "identity": "",
    }


def _text(*values: int) -> str:
    return base64.b64encode(np.array(values, "<i8").tobytes()).decode()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"file": None}, "trained_on.file is damaged"),
        ({"file": [1, 2]}, "trained_on.file is damaged"),
        ({"file": b"AAAA"}, "trained_on.file is damaged"),
        ({"video": "not base64"}, "trained_on.video is damaged"),
        ({"video": "é" * 8}, "trained_on.video is damaged"),
        ({"video": _text(1, 2)[:-4]}, "trained_on.video is damaged"),
        ({"video": f"{_text(1, 2)}\n"}, "trained_on.video is damaged"),
        ({"identity": _text(2, 1)}, "trained_on.identity is damaged"),
        ({"identity": _text(1, 1)}, "trained_on.identity is damaged"),
        ({"identity": _text(HIGHEST, LOWEST)}, "trained_on.identity is damaged"),
        ({"person": ""}, "trained_on has no kind 'person'; it has file, video, source_clip, identity"),
        ({1: "", "x" * 1000: ""}, "trained_on has no kind 1"),
    ],
)
def test_a_damaged_text_is_refused(changes: dict[Any, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as refused:
        TrainedOn.from_json({**TrainedOn().to_json(), **changes})
    assert len(str(refused.value)) < 200
    assert "\n" not in str(refused.value)


def test_the_farthest_numbers_apart_are_sorted_all_the_same() -> None:
    text = _text(LOWEST, HIGHEST)
    assert TrainedOn.from_json({**TrainedOn().to_json(), "file": text}).file.tolist() == [LOWEST, HIGHEST]


@pytest.mark.parametrize("values", [None, [], "file", {}, {"file": ""}])
def test_what_is_no_card_of_digests_is_refused(values: Any) -> None:
    with pytest.raises(UserError, match=r"is no mapping|trained_on lacks (file, )?video, source_clip, identity"):
        TrainedOn.from_json(values)
