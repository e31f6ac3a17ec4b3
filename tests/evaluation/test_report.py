import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fakedet.errors import UserError
from fakedet.evaluation.breakdown import breakdown
from fakedet.evaluation.intervals import resolves
from fakedet.evaluation.levels import to_videos
from fakedet.evaluation.report import most_confident_mistakes, to_json, verdict, write_report
from fakedet.evaluation.sections import promises
from fakedet.evaluation.summary import scored, summarise
from fakedet.figures.confusion import confusion_figure
from fakedet.figures.page import Gallery, Picture, Section
from fakedet.figures.panel import PanelItem
from fakedet.tracking.csv_tracker import CsvTracker

HOSTILE = "fake/<script>alert(1)</script>.png"


def _predictions() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 100)
    rows = pd.DataFrame(
        {
            "path": [f"{'fake' if label else 'real'}/{number}.png" for number, label in enumerate(labels)],
            "label": labels,
            "group": [f"g{number // 5}" for number in range(200)],
            "video": [f"v{number // 5}_{label}" for number, label in enumerate(labels)],
            "method": np.where(labels == 0, "real", np.where(np.arange(200) // 5 % 3 == 0, "swap", "blend")),
            "split": np.repeat(["val", "test"], 100),
            "score": np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0.01, 0.99),
            "face_status": "given",
        }
    )
    rows.loc[151, "path"], rows.loc[151, "score"] = HOSTILE, 0.001
    rows.loc[199, "score"], rows.loc[199, "face_status"] = np.nan, "unreadable"
    verdicts = pd.Series(np.where(rows["score"] > 0.5, "fake", "real")).where(rows["score"].notna())
    return rows.assign(logit=np.log(rows["score"] / (1 - rows["score"])), verdict=verdicts)


def _metrics(rows: pd.DataFrame) -> dict[str, Any]:
    splits = {}
    for split, part in rows.groupby("split", sort=False):
        splits[str(split)] = summarise(part, resamples=50)
        splits[str(split)]["parts"] = breakdown(scored(part))
        splits[str(split)]["video"] = summarise(to_videos(part), resamples=50, level="video")
    return {
        "checkpoint": "best.ckpt",
        "model": "mobilenetv2",
        "dataset": "faces",
        "protocol": "0123456789abcdef",
        "splits": splits,
        "latency": {"median_ms": 12.34, "p95_ms": 20.0, "device": "two threads"},
    }


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: list[str] = []
        self.tags: set[str] = set()
        self.cells: list[list[str]] = []
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "img":
            self.images.append(str(dict(attrs)["src"]))
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.cells[-1].append(data)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = _predictions()
    item = PanelItem(np.zeros((8, 8, 3), np.uint8), np.ones((2, 2), np.float32), 0.001, 1, HOSTILE)
    folder = tmp_path_factory.mktemp("run") / "new"
    tracker = CsvTracker(str(folder / "csv"))
    checks = [Section(f"Check {n}", [Gallery([Picture.of(confusion_figure(np.eye(2), "x"), "A check")])]) for n in "ab"]
    report = write_report(
        folder,
        _metrics(rows),
        rows,
        {"Grad-CAM, test": [item], "Nothing": []},
        detector={"size": 224, "seed": None},
        environment={"torch": "9.9.9"},
        checks=checks,
        trackers=[tracker],
        step=3,
    )
    tracker.close()
    assert report == folder / "report.html"
    return folder


FIGURES = [
    "a_check", "a_check_again_1", "auc_by_method_test", "auc_by_method_val", "confusion_test", "confusion_val",
    "precision_recall", "precision_recall_videos", "reliability_test", "reliability_val", "roc", "roc_videos",
    "scores_test", "scores_val",
]  # fmt: skip


def test_files_are_there_and_whole(run: Path) -> None:
    names = sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())
    expected = [f"figures/{name}.png" for name in [*FIGURES, "panel_grad_cam_test"]]
    expected += ["metrics.json", "model_card.md", "report.html"]
    assert [name for name in names if not name.startswith("csv/")] == sorted(expected)
    for path in (run / "figures").iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.read_bytes().endswith(b"IEND\xaeB`\x82")


def test_trackers_are_handed_every_figure_of_the_page(run: Path) -> None:
    assert sorted(file.parent.name for file in (run / "csv" / "report").rglob("step_3.png")) == FIGURES


def test_metrics_json_is_what_was_given(run: Path) -> None:
    stored = json.loads((run / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert stored == _metrics(_predictions())


def test_the_page_opens_by_itself_and_a_file_name_stays_text(run: Path) -> None:
    text = (run / "report.html").read_text()
    page = _Page(text)
    assert "script" not in page.tags
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert not re.search(r"(https?:)?//\w", re.sub(r"base64,[\w+/=]+", "", text))
    assert len(page.images) == len(FIGURES) + 1
    assert all(source.startswith("data:image/") for source in page.images)


def test_the_page_holds_every_number(run: Path) -> None:
    page = _Page((run / "report.html").read_text())
    rows = {cells[0]: cells[1:] for cells in page.cells if cells}
    metrics = _metrics(_predictions())
    entries = [
        entry for split in ("val", "test") for entry in (metrics["splits"][split], metrics["splits"][split]["video"])
    ]
    for entry, cell in zip(entries, rows["AUC"], strict=True):
        auc = entry["metrics"]["auc"]
        assert cell == f"{auc['value']:.3f} [{auc['low']:.3f},\N{NO-BREAK SPACE}{auc['high']:.3f}]"
    assert rows["Unreadable"] == ["0", "0", "1", "0"]
    assert rows["TPR at 0.1 % FPR"] == ["—"] * 4
    text = (run / "report.html").read_text()
    for fact in (
        "median 12.3 ms, 95th percentile 20.0 ms",
        "0123456789abcdef",
        "9.9.9",
        "best.ckpt",
        "not recorded",
    ):
        assert fact in text
    assert "Nothing" not in text


def test_the_verdict_says_on_what_and_what_it_does_not_show() -> None:
    metrics = _metrics(_predictions())
    auc = metrics["splits"]["test"]["metrics"]["auc"]
    text = verdict(metrics)
    assert "test split of faces (99 images of 20 groups)" in text
    assert f"AUC of {auc['value']:.3f} at frame level" in text
    assert f"{auc['low']:.3f} to {auc['high']:.3f}" in text
    assert f"of {metrics['splits']['test']['video']['metrics']['auc']['value']:.3f} at video level" in text
    assert "guess may reach" not in text
    assert "says little about pictures from other sources" in text
    assert len(re.findall(r"\.(?: |$)", text)) == 2
    told = verdict({**metrics, "detector": {"trained_on": ["celebdf", "dfdc"]}})
    assert "mobilenetv2, trained on celebdf, dfdc, reaches" in told
    metrics["splits"]["test"]["coverage"] = {"share": 0.991}
    metrics["splits"]["test"]["metrics"]["auc"] = {"value": 0.55, "low": 0.45, "high": 0.65}
    text = verdict(metrics)
    assert "of 20 groups, 99.1\N{NO-BREAK SPACE}% of what was given)" in text
    assert ", which a guess may reach too." in text
    del metrics["splits"]["test"]
    assert "chosen on this split" in verdict(metrics)
    metrics["splits"]["val"]["metrics"]["auc"] = {"value": None, "low": None, "high": None}
    assert "cannot be given" in verdict(metrics)


def test_one_class_makes_a_report_with_gaps(tmp_path: Path) -> None:
    rows = _predictions()
    rows = rows[(rows["label"] == 1) & (rows["split"] == "test")]
    write_report(tmp_path, _metrics(rows), rows, {}, detector={}, environment={})
    page = _Page((tmp_path / "report.html").read_text())
    assert ["AUC", "—", "—"] in page.cells
    assert "test, frame has no real image" in (tmp_path / "report.html").read_text()


def test_mistakes_are_the_farthest_from_the_threshold() -> None:
    rows = pd.DataFrame(
        {
            "path": list("abcdef"),
            "label": [1, 1, 0, 0, 1, 0],
            "score": [0.1, 0.7, 0.95, 0.85, 0.95, 0.2],
        }
    )
    assert list(most_confident_mistakes(rows, 0.5)["path"]) == ["c", "a", "d"]
    assert list(most_confident_mistakes(rows, 0.8)["path"]) == ["a", "c", "d", "b"]
    assert list(most_confident_mistakes(rows, 0.5, limit=1)["path"]) == ["c"]
    assert list(most_confident_mistakes(rows, 0.5).columns) == ["path", "label", "score"]
    assert most_confident_mistakes(rows[rows["label"] == 1].iloc[1:], 0.5).empty


def test_json_has_no_nan() -> None:
    text = to_json({"a": float("nan"), "b": [np.float64("inf"), np.int64(3)], "c": np.arange(2), "d": Path("x")})
    assert json.loads(text) == {"a": None, "b": [None, 3], "c": [0, 1], "d": "x"}


def test_what_cannot_be_written_is_said_and_leaves_nothing_half(tmp_path: Path) -> None:
    (tmp_path / "figures").write_text("in the way")
    rows = _predictions()
    with pytest.raises(UserError, match=r"roc\.png cannot be written"):
        write_report(tmp_path, _metrics(rows), rows, {}, detector={}, environment={})
    assert [path.name for path in tmp_path.iterdir()] == ["figures"]


def test_a_kill_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("old")
    code = (
        "import os, pathlib, sys\n"
        "from fakedet.evaluation import report\n"
        "pathlib.Path.replace = lambda *_: os._exit(9)\n"
        "report._write(pathlib.Path(sys.argv[1]) / 'report.html', b'new')\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == 9
    assert (tmp_path / "report.html").read_text() == "old"


def test_no_split_is_refused(tmp_path: Path) -> None:
    metrics = {**_metrics(_predictions()), "splits": {}}
    with pytest.raises(UserError, match="no split to report on"):
        write_report(tmp_path, metrics, _predictions(), {}, detector={}, environment={})


def _page(tmp_path: Path, metrics: dict[str, Any], rows: pd.DataFrame) -> str:
    write_report(tmp_path, metrics, rows, {}, detector={}, environment={})
    return (tmp_path / "report.html").read_text()


def test_a_leak_is_the_first_line_and_audit_and_coverage_stand_with_the_data(tmp_path: Path) -> None:
    rows = _predictions()
    rows = rows[rows["split"] == "test"]
    metrics = _metrics(rows) | {
        "leaks": ["3 images of dfdc were trained on."],
        "audit": {"when": "2026-01-31", "findings": ["Reals are larger."]},
        "detector": {"name": "m (run)", "trained_on": ["dfdc"], "images": 1234, "protocol": "by group"},
        "decision": {"words": "fake above 0.5", "false_positive_rate": 0.05},
        "pooling": "median",
    }
    covered = {"share": 0.75, "real": 0.5, "fake": 1.0, "policy": "exclude", "no_face": 7}
    metrics["splits"]["test"]["coverage"] = covered
    text = _page(tmp_path, metrics, rows)
    body = text[text.index("<body>") :]
    assert body.index("LEAK: 3 images of dfdc were trained on.") < body.index("<h1>")
    for fact in (
        "2026-01-31: Reals are larger.",
        "75.0\N{NO-BREAK SPACE}% of the images have a score (real: 50.0\N{NO-BREAK SPACE}%",
        "7 show no face (policy: exclude)",
        "dfdc (1,234 images in its own training)",
        "median of its frames",
    ):
        assert fact in text, fact
    cells = {line[0]: line[1:] for line in _Page(text).cells if line}
    assert cells["Coverage"] == ["75.0\N{NO-BREAK SPACE}%", "—"]
    rate = metrics["splits"]["test"]["false_positive_rate"]["value"]
    promise = cells["test, frame"]
    assert promise[0].startswith(f"{100 * rate:.1f}")
    assert promise[1] == "5.0\N{NO-BREAK SPACE}%"
    assert promise[2] == "no", "a third of the reals score above the threshold"


def test_how_to_read_names_every_metric_that_asks_for_no_threshold(run: Path) -> None:
    text = (run / "report.html").read_text()
    for title in ("AUC", "partial AUC (FPR ≤ 10 %)", "average precision", "EER", "TPR at 0.1 % FPR"):
        assert title in text[text.index("In brackets") : text.index("need no threshold")], title
    assert "Brier score, log loss and ECE ask how far the probabilities hold" in text
    assert "at TPR at 1 % FPR below 1,000 reals and TPR at 0.1 % FPR below 10,000 reals" in text
    for name, reals in (("tpr_at_fpr_1e-2", 1000), ("tpr_at_fpr_1e-3", 10_000)):
        assert (resolves(name, reals - 1), resolves(name, reals)) == (False, True)


@pytest.mark.parametrize(
    ("rate", "kept"),
    [
        ((0.02, 0.01, 0.04), "yes"),
        ((0.02, 0.01, 0.08), "yes, but perhaps by chance"),
        ((0.0, None, None), "yes, but perhaps by chance"),
        ((0.07, 0.03, 0.11), "no, but perhaps by chance"),
        ((0.2, 0.1, 0.3), "no"),
        ((None, None, None), "—"),
    ],
)
def test_a_promise_is_held_against_the_interval_too(rate: tuple[float | None, ...], kept: str) -> None:
    metrics = _metrics(_predictions()) | {"decision": {"false_positive_rate": 0.05}}
    entry = metrics["splits"]["test"]
    entry["false_positive_rate"] = dict(zip(("value", "low", "high"), rate, strict=True))
    rows = {row[0]: row[1:] for row in promises(metrics)}
    assert rows["test, frame"][2] == kept
    assert rows["test, frame"][3].startswith(f"{100 * entry['metrics']['recall']['value']:.1f}")
    assert {row[3] for row in promises(metrics | {"decision": {}})} == {"nothing promised"}
