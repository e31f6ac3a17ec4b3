import numpy as np
import pytest

from fakedet.detector.face import Face
from fakedet.detector.follow import follow, tracks


def _face(x: float, y: float = 100, side: float = 40, score: float = 0.99) -> Face:
    return Face((x - side / 2, y - side / 2, x + side / 2, y + side / 2), score)


def test_nothing_gives_nothing() -> None:
    assert follow([]) == []
    assert tracks([[], []]) == []
    assert follow([[], []]) == [None, None]


def test_a_moving_and_growing_face_is_one_track() -> None:
    faces = [_face(50 + 12 * step, 100 - 3 * step, 40 * 1.1**step) for step in range(12)]
    assert follow([[face] for face in faces]) == faces
    assert len(tracks([[face] for face in faces])) == 1


@pytest.mark.parametrize("order", [1, -1])
def test_a_crossing_bystander_does_not_slip_in(order: int) -> None:
    """Where two faces of one size pass each other, each is nearest to where the other was before."""
    main = [_face(40 + 20 * step) for step in range(12)]
    bystander = [_face(250 - 20 * step) for step in range(11)]
    found = [list(pair)[::order] for pair in zip(main, bystander, strict=False)] + [main[11:]]
    assert follow(found) == main
    assert [len(track.faces) for track in tracks(found)] == [12, 11]


def test_faces_that_sway_are_told_apart_by_size() -> None:
    found = [[_face(100, 100, 60), _face(112, 100, 40)], [_face(108, 100, 60), _face(103, 100, 40)]]
    assert [face.side for face in follow(found) if face] == [60, 60]


def test_a_bystander_who_hides_the_face_does_not_take_its_place() -> None:
    main = [_face(100, 100, 60) for _ in range(12)]
    bystander = [_face(20 + 16 * step, 110, 50) for step in range(12)]
    found = [[face] if 4 <= step <= 6 else [main[step], face] for step, face in enumerate(bystander)]
    assert follow(found) == [None if 4 <= step <= 6 else main[step] for step in range(12)]


def test_a_missing_detection_is_none_and_the_track_goes_on() -> None:
    faces = [_face(100 + 5 * step) for step in range(8)]
    found = [[face] if step not in (3, 4) else [] for step, face in enumerate(faces)]
    assert follow(found) == [face if step not in (3, 4) else None for step, face in enumerate(faces)]
    assert len(tracks(found)) == 1


def test_a_main_face_that_appears_late_is_the_main_face() -> None:
    bystander = [_face(20, 40, 20) for _ in range(12)]
    main = [_face(200, 100, 90) for _ in range(6)]
    found = [[face] if step < 6 else [face, main[step - 6]] for step, face in enumerate(bystander)]
    assert follow(found) == [None] * 6 + main


def test_a_bystander_who_is_larger_for_a_moment_is_not_the_main_face() -> None:
    main = [_face(100, 100, 50) for _ in range(8)]
    found = [[face] for face in main]
    found[3] = [_face(260, 100, 110), main[3]]
    assert follow(found) == main


def test_a_cut_from_one_face_to_one_face_alike_is_one_track() -> None:
    found = [[_face(60)]] * 4 + [[_face(400, 300, 50)]] * 4
    assert follow(found) == [faces[0] for faces in found]


@pytest.mark.parametrize(
    "after",
    [[_face(400, 300, 90)], [_face(400, 300), _face(600, 300)], [_face(120), _face(600, 300)]],
    ids=["larger", "two", "beside"],
)
def test_any_other_cut_begins_a_new_track(after: list[Face]) -> None:
    found = [[_face(60)]] * 8 + [after] * 1
    assert follow(found) == [_face(60)] * 8 + [None]


def test_a_cut_from_two_faces_to_one_begins_a_new_track() -> None:
    assert len(tracks([[_face(60), _face(300)], [_face(600)]])) == 3


def test_a_cut_to_a_bystander_and_back() -> None:
    main, bystander = _face(200, 100, 80), _face(60, 100, 30)
    found = [[main]] * 4 + [[bystander]] * 3 + [[main]] * 4
    assert follow(found) == [main] * 4 + [None] * 3 + [main] * 4


def test_every_face_is_in_exactly_one_track() -> None:
    rng = np.random.default_rng(0)
    found = [
        [_face(rng.uniform(0, 500), rng.uniform(0, 500), rng.uniform(10, 90)) for _ in range(rng.integers(0, 5))]
        for _ in range(40)
    ]
    every = tracks(found)
    placed = sorted((frame, face.box) for track in every for frame, face in track.faces.items())
    assert placed == sorted((frame, face.box) for frame, faces in enumerate(found) for face in faces)
    assert all(list(track.faces) == sorted(track.faces) for track in every)
    weights = [track.weight for track in every]
    assert weights == sorted(weights, reverse=True)


def test_ties_are_decided_by_order_alone() -> None:
    left, right = _face(50), _face(300)
    assert follow([[left, right]] * 5) == [left] * 5
    assert follow([[right, left]] * 5) == [right] * 5
    # A track between two equally near faces takes the first.
    middle = [_face(100)]
    assert follow([middle, [_face(90), _face(110)]]) == [_face(100), _face(90)]
