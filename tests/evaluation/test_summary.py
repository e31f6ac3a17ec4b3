import io
import json

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sklearn.metrics import roc_auc_score

from fakedet.errors import UserError
from fakedet.evaluation.summary import leaks, notes, summarise, table
from fakedet.metrics.scores import TITLES


def predictions(size: int = 120, groups: int = 24, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, size)
    logits = rng.normal(size=size) + labels
    return pd.DataFrame(
        {
            "path": [f"{number}.png" for number in range(size)],
            "label": labels,
            "dataset": "made",
            "group": [f"g{number}" for number in rng.integers(0, groups, size)],
            "split": "test",
            "logit": logits,
            "score": 1 / (1 + np.exp(-logits)),
            "face_status": "given",
        }
    )


def _printed(metrics: dict[str, object]) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    console.print(table(metrics))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_numbers_are_those_of_the_readable_rows() -> None:
    rows = predictions()
    rows.loc[[3, 7], ["logit", "score"]] = np.nan
    rows.loc[[3, 7], "face_status"] = "unreadable"
    entry = summarise(rows, resamples=100)
    kept = rows.drop(index=[3, 7])
    assert entry["metrics"]["auc"]["value"] == pytest.approx(roc_auc_score(kept["label"], kept["score"]), abs=1e-12)
    assert entry["metrics"]["auc"]["low"] < entry["metrics"]["auc"]["value"] < entry["metrics"]["auc"]["high"]
    assert set(entry["metrics"]) == set(TITLES)
    assert (entry["images"], entry["unreadable"], entry["level"]) == (118, 2, "frame")
    assert (entry["real"], entry["fake"]) == ((kept["label"] == 0).sum(), (kept["label"] == 1).sum())
    assert entry["groups"] == kept["group"].nunique()
    assert [count for row in entry["confusion"] for count in row] == [
        int(((kept["label"] == label) & ((kept["score"] > 0.5) == called)).sum())
        for label, called in ((0, False), (0, True), (1, False), (1, True))
    ]
    assert json.loads(json.dumps(entry, allow_nan=False)) == entry


def test_threshold_resamples_and_seed_are_used() -> None:
    rows = predictions()
    entry = summarise(rows, threshold=0.9, resamples=50, seed=1)
    assert entry["threshold"] == 0.9
    assert entry["bootstrap"]["resamples"] == 50
    assert entry["metrics"]["recall"]["value"] < summarise(rows, resamples=50)["metrics"]["recall"]["value"]
    assert entry["metrics"]["auc"] == summarise(rows, resamples=50, seed=1)["metrics"]["auc"]
    assert entry["metrics"]["auc"] != summarise(rows, resamples=50, seed=2)["metrics"]["auc"]


def test_order_of_rows_does_not_matter_to_values() -> None:
    rows = predictions()
    shuffled = rows.sample(frac=1, random_state=0)
    first, second = (summarise(table, resamples=10) for table in (rows, shuffled))
    assert [entry["value"] for entry in first["metrics"].values()] == [
        entry["value"] for entry in second["metrics"].values()
    ]


def test_one_class_and_nothing_are_gaps() -> None:
    rows = predictions()
    entry = summarise(rows[rows["label"] == 1], resamples=20)
    assert entry["metrics"]["auc"] == {"value": None, "low": None, "high": None}
    assert entry["metrics"]["recall"]["value"] == entry["metrics"]["accuracy"]["value"]
    nothing = summarise(rows.iloc[:0], resamples=20)
    assert {value for metric in nothing["metrics"].values() for value in metric.values()} == {None}
    assert (nothing["images"], nothing["groups"], nothing["confusion"]) == (0, 0, [[0, 0], [0, 0]])
    json.dumps([entry, nothing], allow_nan=False)


def test_a_readable_row_without_a_score_is_refused() -> None:
    rows = predictions()
    rows.loc[5, "score"] = np.nan
    with pytest.raises(UserError, match=r"1 readable images have no score, the first is 5\.png"):
        summarise(rows)
    with pytest.raises(UserError, match="lack the column group, face_status"):
        summarise(rows.drop(columns=["group", "face_status"]))


def test_table_shows_values_intervals_counts_and_gaps() -> None:
    rows = predictions()
    val, test = summarise(rows, resamples=50), summarise(rows[rows["label"] == 1], resamples=50)
    text = _printed({"splits": {"val": val, "test": test}})
    auc = val["metrics"]["auc"]
    line = next(line for line in text.splitlines() if " AUC " in line)
    assert f"{auc['value']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}]" in line
    assert "—" in line
    for name in ("images", "groups", "unreadable"):
        assert f"{val[name]}" in next(line for line in text.splitlines() if f" {name} " in line)
    assert "[low, high]: 95 % interval" in text
    assert "test has no real image" in text


def test_notes_name_what_a_reader_must_know() -> None:
    rows = predictions(groups=3)
    rows.loc[0, "face_status"] = "unreadable"
    few = notes({"splits": {"val": summarise(rows, resamples=20)}})
    assert few[1].startswith("val: 3 groups only")
    assert few[2] == "val: 1 of the images could not be read and are in no number."
    alone = notes({"splits": {"val": summarise(predictions(groups=1), resamples=20)}})
    assert alone[1] == "val: no interval, because a class comes from fewer than 2 groups."
    assert notes({"doubts": ["CROPS: others."], "splits": {}}) == ["CROPS: others."]


def test_a_dash_has_its_reason() -> None:
    rows = predictions(size=260)
    reals = int((rows["label"] == 0).sum())
    assert 100 <= reals < 1000
    entry = summarise(rows, resamples=20)
    assert [name for name, metric in entry["metrics"].items() if metric["value"] is None] == ["tpr_at_fpr_1e-3"]
    assert notes({"splits": {"test": entry}}) == [f"test: TPR at 0.1 % FPR wants 1,000 reals; there are {reals}."]
    few = rows.groupby("label").head(50)
    (line,) = notes({"splits": {"test": summarise(few, resamples=20)}})
    assert line == "test: TPR at 1 % FPR wants 100 reals and TPR at 0.1 % FPR wants 1,000 reals; there are 50."
    both = {**entry, "video": summarise(few, resamples=20, level="video")}
    assert [line.split(":")[0] for line in notes({"splits": {"test": both}})] == ["test, frame", "test, video"]


def test_leaks_are_told_apart_and_stand_first_in_the_terminal() -> None:
    metrics: dict[str, object] = {
        "leaks": ["1,200 of them were trained on."],
        "splits": {"test": summarise(predictions(), resamples=20)},
    }
    assert leaks(metrics) == ["LEAK: 1,200 of them were trained on."]
    assert leaks({"splits": {}}) == []
    text = _printed(metrics)
    assert text.index("LEAK: 1,200 of them were trained on.") < text.index("wants")


def test_pictures_without_a_face_are_counted_by_what_became_of_them() -> None:
    rows = predictions()
    rows.loc[[0, 1], "face_status"], rows.loc[[0, 1], ["logit", "score"]] = "no face", np.nan
    rows.loc[2, "face_status"], rows.loc[2, "score"] = "abstained", 0.5
    rows.loc[[3, 4, 5], "face_status"] = "whole image"
    entry = summarise(rows, resamples=20)
    assert (entry["images"], entry["unreadable"]) == (118, 0)
    assert entry["statuses"] == {"given": 114, "no face": 2, "abstained": 1, "whole image": 3}
    told = " ".join(notes({"splits": {"test": entry}}))
    assert "no face was found in 2 of the images, which are in no number" in told
    assert "no face was found in 1 of the images, which count with the score 0.5 and the verdict uncertain" in told
    assert "no face was found in 3 of the images, which count with the score of the whole picture" in told
    text = _printed({"splits": {"test": {**entry, "coverage": {"share": 118 / 120}}}})
    for name, number in (("coverage", "98.3"), ("no face", "2"), ("abstained", "1"), ("whole image", "3")):
        assert f" {number}" in next(line for line in text.splitlines() if f" {name} " in line)


def test_false_positive_rate_is_the_share_of_reals_above_the_threshold() -> None:
    rows = predictions(size=400, groups=80)
    entry = summarise(rows, threshold=0.6, resamples=400)
    rate = entry["false_positive_rate"]
    assert rate["value"] == (rows["score"][rows["label"] == 0] > 0.6).mean()
    assert rate["low"] < rate["value"] < rate["high"]
    specificity = 2 * entry["metrics"]["balanced_accuracy"]["value"] - entry["metrics"]["recall"]["value"]
    assert rate["value"] == pytest.approx(1 - specificity, abs=1e-12)
    halved = rows.assign(group=[f"{group}{number % 2}" for number, group in enumerate(rows["group"])])
    assert summarise(halved, threshold=0.6, resamples=400)["false_positive_rate"]["low"] != rate["low"]
    reals = summarise(rows[rows["label"] == 0], threshold=0.6, resamples=20)
    assert reals["false_positive_rate"]["value"] == rate["value"]
    fakes = summarise(rows[rows["label"] == 1], threshold=0.6, resamples=20)
    assert fakes["false_positive_rate"] == {"value": None, "low": None, "high": None}


def test_dropped_resamples_are_told() -> None:
    rows = predictions(size=4)
    rows["label"], rows["group"] = [0, 0, 1, 1], list("abcd")
    entry = summarise(rows, resamples=100)
    dropped = entry["bootstrap"]["dropped"]
    assert dropped > 0
    assert f"val: {dropped} of 100 resamples missed a class and were dropped." in notes({"splits": {"val": entry}})
