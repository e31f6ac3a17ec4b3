"""Detectors two at a time: the same differences as from their rows, and a clear gap where there are none."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from evaluated import some_rows, write_run

from fakedet.detector.spec import FaceSpec, PreprocessSpec
from fakedet.errors import UserError
from fakedet.evaluation import predictions
from fakedet.evaluation.columns import read_cells
from fakedet.evaluation.differences import differences, holm
from fakedet.evaluation.levels import to_videos
from fakedet.evaluation.matrix import Matrix
from fakedet.evaluation.pair_tables import HEADER, frame, lines
from fakedet.evaluation.pairs import MOST, Pair, examine, reference
from fakedet.evaluation.runs import find_runs
from fakedet.metrics.scores import TITLES


def _read(place: Path, metric: str = "auc", level: str = "frame") -> Matrix:
    return Matrix.of(read_cells(find_runs([place]), metric, level)[0], metric, level)


def _pairs(place: Path, level: str = "frame") -> tuple[Matrix, list[Pair]]:
    matrix, pairs, _ = examine(_read(place, level=level), None)
    return matrix, pairs


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three detectors on the same images, the rows of one in another order."""
    place = tmp_path_factory.mktemp("three")
    for name, skill in {"x": 1.0, "y": 0.6, "z": 0.9}.items():
        rows = some_rows("here", skill)
        rows = rows.sample(frac=1, random_state=0) if name == "y" else rows
        write_run(place / name, name, ["there"], rows)
    return place


@pytest.mark.parametrize("level", ["frame", "video"])
def test_all_pairs_are_what_two_tables_give(level: str, three: Path) -> None:
    matrix, pairs = _pairs(three, level)
    table = frame(matrix, pairs)
    assert table[["first", "second"]].drop_duplicates().to_numpy().tolist() == [
        ["net (x)", "net (y)"], ["net (x)", "net (z)"], ["net (y)", "net (z)"]
    ]  # fmt: skip
    for pair in pairs:
        one, other = (predictions.read(cell.run)[0] for cell in (pair.first, pair.second))
        if level == "video":
            one, other = to_videos(one), to_videos(other)
        expected = differences(one.sort_values("path"), other)
        assert pair.found is not None
        assert pair.found.images == (160 if level == "frame" else 40)
        rows = table[(table["first_run"] == str(pair.first.run)) & (table["second_run"] == str(pair.second.run))]
        rows = rows.set_index("metric")
        assert list(rows.index) == list(TITLES)
        for name, each in expected.metrics.items():
            got = rows.loc[name, ["difference", "low", "high", "p_value"]].to_numpy(dtype="float64")
            np.testing.assert_allclose(got, [each.value, each.low, each.high, each.p_value], rtol=1e-9, atol=1e-12)
        assert rows.loc["auc", "delong_p"] == pytest.approx(expected.delong.p_value)
        assert rows["delong_p"].notna().sum() == 1
        assert rows.loc["auc", "first_value"] == pair.first.value


def test_p_values_are_adjusted_for_the_pairs_of_one_data_set_and_metric(three: Path) -> None:
    table = frame(*_pairs(three))
    for _, part in table.groupby("metric"):
        np.testing.assert_allclose(part["p_holm"], holm(part["p_value"]))
    auc = table[table["metric"] == "auc"]
    assert auc["p_holm"].min() == pytest.approx(3 * auc["p_value"].min())


def test_the_table_names_pairs_by_letters(three: Path) -> None:
    matrix, pairs = _pairs(three)
    shown = [dict(zip(HEADER, line, strict=True)) for line in lines(matrix, pairs)]
    assert [each["Pair"].replace("\N{NO-BREAK SPACE}", "") for each in shown] == ["A−B", "A−C", "B−C"]
    assert [matrix.called(each) for each in matrix.detectors] == ["A  net (x)", "B  net (y)", "C  net (z)"]
    assert shown[0]["Difference"].startswith(f"{pairs[0].first.value - pairs[0].second.value:+.3f} [")


def test_all_can_be_held_against_one(three: Path) -> None:
    matrix = _read(three)
    for against in ("net (y)", "/detectors/y", "/detectors/y/checkpoints/best.ckpt", str(three / "y")):
        chosen = reference(matrix, against)
        _, pairs, _ = examine(matrix, chosen)
        assert [(pair.first.detector.name, pair.second.detector.name) for pair in pairs] == [
            ("net (x)", "net (y)"), ("net (z)", "net (y)")
        ]  # fmt: skip
    with pytest.raises(UserError, match=r"against=net \(k\) \(did you mean net \(.\)\?\) is none of the detectors"):
        reference(matrix, "net (k)")


def test_too_many_detectors_want_a_reference(tmp_path: Path) -> None:
    for number in range(MOST + 1):
        write_run(tmp_path / str(number), f"d{number}", ["there"], some_rows("here", 0.5, groups=4, seed=number))
    matrix = _read(tmp_path)
    _, pairs, notes = examine(matrix, None)
    assert pairs == []
    assert notes == [
        "here: 11 detectors make 55 pairs, which are not listed: name the one to hold the others against with "
        "against=…."
    ]
    _, pairs, notes = examine(matrix, matrix.detectors[0])
    assert (len(pairs), notes) == (MOST, [])


def test_other_images_are_no_pair_and_the_sentence_says_which(tmp_path: Path) -> None:
    rows = some_rows("here", 1.0)
    write_run(tmp_path / "x", "x", ["there"], rows)
    write_run(tmp_path / "y", "y", ["there"], some_rows("here", 0.5).iloc[4:])
    write_run(tmp_path / "z", "z", ["there"], some_rows("here", 0.7).assign(group="g"))
    matrix, pairs = _pairs(tmp_path)
    assert [pair.found for pair in pairs] == [None] * 3
    assert "4 are in the first predictions only" in pairs[0].reason
    assert "give 160 images another group" in pairs[1].reason
    table = frame(matrix, pairs)
    assert table["difference"].isna().all()
    assert table["reason"].tolist() == [pair.reason for pair in pairs]
    assert all(line[2:6] == ["—"] * 4 for line in lines(matrix, pairs))


def test_what_was_trained_on_the_images_is_no_pair(tmp_path: Path) -> None:
    write_run(tmp_path / "x", "x", ["there"], some_rows("here", 1.0))
    write_run(tmp_path / "y", "y", ["there"], some_rows("here", 0.5), leaks=["8 of these images were trained on."])
    assert [pair.reason for pair in _pairs(tmp_path)[1]] == ["net (y) was trained on some of these images"]


def test_other_preprocessing_is_compared_and_named(tmp_path: Path) -> None:
    face = FaceSpec(margin=1.3, version="1")
    specs = {"x": PreprocessSpec(), "y": PreprocessSpec(size=256), "z": PreprocessSpec(face=face, size=256)}
    for name, spec in specs.items():
        write_run(tmp_path / name, name, ["there"], some_rows("here", 0.5), preprocess=spec)
    matrix, pairs = _pairs(tmp_path)
    assert all(pair.found for pair in pairs)
    assert lines(matrix, pairs)[0][-1] == "other preprocessing: size 224 and 256"
    assert "face.margin none and 1.3" in pairs[2].note
    assert "size" not in pairs[2].note


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda rows: rows.iloc[3:], r"gives another number \(AUC 0\.\d{3} of 77 real and 80 fake\) than its metrics"),
        (lambda rows: rows.assign(score=1 - rows["score"]), r"gives another number .* \(0\.\d{3} of 80 and 80\): eval"),
        (lambda rows: rows.assign(score=rows["score"].where(rows.index > 1)), "2 readable images have no score"),
        (lambda rows: rows.drop(columns="face_status"), "lacks the column face_status"),
        (lambda rows: rows.assign(split="val"), "of 0 real and 0 fake"),
    ],
)
def test_a_number_that_its_predictions_do_not_give_becomes_a_gap(change: object, reason: str, tmp_path: Path) -> None:
    write_run(tmp_path / "x", "x", ["there"], some_rows("here", 1.0))
    run = write_run(tmp_path / "y", "y", ["there"], some_rows("here", 0.5))
    rows, about = predictions.read(run)
    predictions.write(change(rows), about, run)  # type: ignore[operator]
    matrix, pairs = _pairs(tmp_path)
    assert pairs == []
    (gap,) = matrix.gaps()
    assert gap.detector.name == "net (y)"
    pd.testing.assert_series_equal(matrix.frame()["value"].isna(), pd.Series([False, True], name="value"))
    with pytest.raises(UserError, match=reason):
        raise UserError(gap.reason)


def test_predictions_that_are_gone_leave_the_number_but_no_pair(tmp_path: Path) -> None:
    write_run(tmp_path / "x", "x", ["there"], some_rows("here", 1.0))
    run = write_run(tmp_path / "y", "y", ["there"], some_rows("here", 0.5))
    (run / predictions.FILE).unlink()
    matrix, pairs = _pairs(tmp_path)
    assert matrix.gaps() == []
    assert [pair.reason for pair in pairs] == ["the run of net (y) has no predictions.parquet"]
    (run / predictions.FILE).write_bytes(b"no table")
    assert "cannot be read as a Parquet table" in _pairs(tmp_path)[0].gaps()[0].reason


def test_parts_of_a_mix_are_compared_by_data_set(tmp_path: Path) -> None:
    for name, skill in {"x": 1.0, "y": 0.5}.items():
        parts = [some_rows("here", skill), some_rows("wild", skill, seed=1)]
        rows = pd.concat(parts, ignore_index=True)
        write_run(tmp_path / name, name, ["there"], rows.assign(group=rows["dataset"] + "/" + rows["group"]))
    _, pairs = _pairs(tmp_path)
    assert [pair.column for pair in pairs] == [("here", "test", ""), ("wild", "test", "")]
    assert [pair.found.images for pair in pairs if pair.found] == [160, 160]
