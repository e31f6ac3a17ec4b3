"""The model card says what `metrics.json` says, under the headings that the literature asks for, and nothing else."""

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fakedet.evaluation.breakdown import breakdown
from fakedet.evaluation.levels import to_videos
from fakedet.evaluation.model_card import model_card
from fakedet.evaluation.report import to_json
from fakedet.evaluation.summary import summarise
from fakedet.metrics.scores import TITLES

HEADINGS = (
    "Model details", "Intended use", "Not intended", "Training data", "Evaluation data", "Metrics",
    "Decision and calibration", "Robustness and shortcuts", "Ethical considerations", "Caveats", "Environment",
)  # fmt: skip
MEAN = {"value": 0.7123, "low": 0.6123, "high": 0.8123}


def _metrics() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    video = np.repeat(np.arange(60), 4)
    labels = video % 2
    rows = pd.DataFrame(
        {
            "path": [f"{number}.png" for number in range(240)],
            "label": labels,
            "video": [f"v{number}" for number in video],
            "group": [f"g{number // 2}" for number in video],
            "dataset": "faces",
            "method": np.where(labels == 0, "real", np.where(video % 4 == 1, "a|b", "<i>swap</i>")),
            "score": 1 / (1 + np.exp(-rng.normal(labels, 1.0))),
            "face_status": "given",
        }
    )
    entry = summarise(rows, resamples=50)
    entry["video"] = summarise(to_videos(rows), resamples=50, level="video")
    entry["parts"] = breakdown(rows)
    entry["coverage"] = {"share": 0.987, "real": 1.0, "fake": 0.974, "policy": "exclude", "no_face": 3}
    level = {"clean": MEAN, "mean_corruption": {"auc": MEAN, "loss": {"value": 0.0321, "low": None, "high": None}}}
    curve = {"gradcam": {"area": MEAN}, "random": {"area": {"value": 0.4567, "low": 0.4, "high": 0.5}}}
    return {
        "checkpoint": "best.ckpt",
        "model": "mobilenetv2",
        "dataset": "faces",
        "protocol": "0123456789abcdef",
        "protocol_name": "by group",
        "detector": {"name": "mobilenetv2 (run)", "trained_on": ["celebdf"], "images": 4321, "protocol": "official"},
        "decision": {"words": "fake above 0.61; fitted", "false_positive_rate": 0.05},
        "pooling": "mean",
        "splits": {"test": entry},
        "checks": {
            "test": {
                "shortcut": {"says": "The AUC goes from 0.712 to 0.711."},
                "robustness": {"levels": {"frame": level}},
                "explanations": {"deletion": curve, "insertion": None},
            }
        },
        "latency": {"median_ms": 12.3, "p95_ms": 45.6, "device": "two threads"},
    }


@pytest.fixture(scope="module")
def metrics() -> dict[str, Any]:
    return _metrics()


def _card(metrics: dict[str, Any]) -> str:
    return model_card(metrics, {"size": 224, "crop": None}, {"torch": "9.9.9"})


def _cells(card: str, name: str) -> list[str]:
    (line,) = (line for line in card.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[2:-1]]


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for inner in value.values() for number in _numbers(inner)]
    if isinstance(value, list):
        return [number for inner in value for number in _numbers(inner)]
    if isinstance(value, str):
        return [float(number) for number in re.findall(r"\d+\.\d+", value)]
    return [] if value is None or isinstance(value, bool) else [float(value)]


def test_headings_stand_in_order(metrics: dict[str, Any]) -> None:
    found = re.findall(r"^## (.*)$", _card(metrics), re.MULTILINE)
    assert found == list(HEADINGS)
    assert _card(metrics).startswith("# Model card: mobilenetv2 (run)\n")


def test_numbers_equal_those_of_metrics_json(metrics: dict[str, Any]) -> None:
    card, entry = _card(metrics), metrics["splits"]["test"]
    for name, title in TITLES.items():
        for cell, level in zip(_cells(card, title), (entry, entry["video"]), strict=True):
            metric = level["metrics"][name]
            if metric["value"] is None:
                assert cell == "—"
            elif metric["low"] is None:
                assert cell == f"{metric['value']:.3f}"
            else:
                assert cell == f"{metric['value']:.3f} [{metric['low']:.3f}, {metric['high']:.3f}]"
    swap = entry["parts"]["method"]["<i>swap</i>"]["metrics"]["auc"]
    assert _cells(card, r"\<i\>swap\</i\>")[0] == f"{swap['value']:.3f} [{swap['low']:.3f}, {swap['high']:.3f}]"
    assert _cells(card, "Coverage") == ["98.7 %", "—"]


def test_no_number_is_its_own(metrics: dict[str, Any]) -> None:
    known = _numbers(json.loads(to_json(metrics)))
    shown = {
        f"{factor * number:.{digits}f}" for number in known for factor, digits in ((1, 3), (1, 1), (100, 1), (1, 2))
    }
    for number in re.findall(r"(?<![\w.])\d+\.\d+(?![\w.])", _card(metrics)):
        assert number in shown or number == "0.1", number  # "TPR at 0.1 % FPR" is a name
    for count in re.findall(r"\d,\d{3}", _card(metrics)):
        assert float(count.replace(",", "")) in [*known, 1000.0], count  # 1,000 reals are wanted


def test_names_are_no_markup(metrics: dict[str, Any]) -> None:
    card = _card(metrics)
    assert "<i>" not in card
    assert r"a\|b" in card
    lines = [line for line in card.splitlines() if line.startswith("| ")]
    counts = {len(re.findall(r"(?<!\\)\|", line)) for line in lines if "swap" in line or r"a\|b" in line}
    assert len(counts) == 1
    hostile = model_card(metrics, {"x": "line\nbreak [a](http://b) *c* _d_ snake_case"}, {})
    assert r"[a]\(http://b) \*c\* \_d\_ snake_case" in hostile
    assert "line\nbreak" not in hostile


def test_what_is_not_known_is_said(metrics: dict[str, Any]) -> None:
    bare = {name: value for name, value in metrics.items() if name in ("checkpoint", "model", "dataset", "protocol")}
    card = model_card({**bare, "splits": {"test": summarise_one_class()}}, {}, {})
    for line in (
        "**data sets:** not recorded",
        "**images of its own training:** not recorded",
        "Not checked.",
        "test has no real image",
    ):
        assert line in card
    assert "src/audit.py" in card
    assert _cells(card, "AUC") == ["—"]


def summarise_one_class() -> dict[str, Any]:
    rows = pd.DataFrame(
        {"path": list("ab"), "label": 1, "group": list("ab"), "score": [0.2, 0.9], "face_status": "given"}
    )
    return summarise(rows, resamples=10)


def test_leaks_audit_checks_and_speed_are_told(metrics: dict[str, Any]) -> None:
    card = _card({**metrics, "leaks": ["3 images were trained on."], "audit": {"when": "2026-01-31", "findings": []}})
    assert card.index("**LEAK: 3 images were trained on.**") < card.index("## Model details")
    for fact in (
        "2026-01-31: nothing found",
        "98.7 % of the images have a score (real: 100.0 %, fake: 97.4 %); 3 show no face (policy: exclude)",
        "**frames to videos:** mean",
        "**decision:** fake above 0.61; fitted",
        "The AUC goes from 0.712 to 0.711.",
        "test, frame level: AUC of 0.712 [0.612, 0.812] as they are, 0.712 [0.612, 0.812] on average corrupted",
        "; lost: 0.032.",
        "deletion: area under the curve 0.712 [0.612, 0.812], of the same maps moved elsewhere 0.457 [0.400, 0.500]",
        "median 12.3 ms, 95th percentile 45.6 ms",
        "**crop:** not recorded",
        "celebdf",
        "4,321",
        "Worst: ",
    ):
        assert fact in card, fact
