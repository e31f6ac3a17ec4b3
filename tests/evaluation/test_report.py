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
from fakedet.evaluation.report import most_confident_mistakes, to_json, verdict, write_report
from fakedet.evaluation.summary import summarise
from fakedet.figures.panel import PanelItem

HOSTILE = "fake/<script>alert(1)</script>.png"


def _predictions() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 100)
    rows = pd.DataFrame(
        {
            "path": [f"{'fake' if label else 'real'}/{number}.png" for number, label in enumerate(labels)],
            "label": labels,
            "group": [f"g{number // 5}" for number in range(200)],
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
    return {
        "checkpoint": "best.ckpt",
        "model": "mobilenetv2",
        "dataset": "faces",
        "protocol": "0123456789abcdef",
        "splits": {split: summarise(part, resamples=50) for split, part in rows.groupby("split", sort=False)},
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
    report = write_report(
        folder,
        _metrics(rows),
        rows,
        {"Grad-CAM, test": [item], "Nothing": []},
        detector={"size": 224, "seed": None},
        environment={"torch": "9.9.9"},
    )
    assert report == folder / "report.html"
    return folder


def test_files_are_there_and_whole(run: Path) -> None:
    names = sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())
    figures = ["confusion_test", "confusion_val", "panel_grad_cam_test", "precision_recall", "roc"]
    figures += ["scores_test", "scores_val"]
    assert names == [*(f"figures/{name}.png" for name in figures), "metrics.json", "report.html"]
    for path in (run / "figures").iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.read_bytes().endswith(b"IEND\xaeB`\x82")


def test_metrics_json_is_what_was_given(run: Path) -> None:
    stored = json.loads((run / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert stored == _metrics(_predictions())


def test_the_page_opens_by_itself_and_a_file_name_stays_text(run: Path) -> None:
    text = (run / "report.html").read_text()
    page = _Page(text)
    assert "script" not in page.tags
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert not re.search(r"(https?:)?//\w", re.sub(r"base64,[\w+/=]+", "", text))
    assert len(page.images) == 9
    assert all(source.startswith("data:image/") for source in page.images)


def test_the_page_holds_every_number(run: Path) -> None:
    page = _Page((run / "report.html").read_text())
    rows = {cells[0]: cells[1:] for cells in page.cells if cells}
    metrics = _metrics(_predictions())
    for split, cell in zip(("val", "test"), rows["AUC"], strict=True):
        auc = metrics["splits"][split]["metrics"]["auc"]
        assert cell == f"{auc['value']:.3f} [{auc['low']:.3f},\N{NO-BREAK SPACE}{auc['high']:.3f}]"
    assert rows["Unreadable"] == ["0", "1"]
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
    assert "says little about pictures from other sources" in text
    assert len(re.findall(r"\.(?: |$)", text)) == 2
    del metrics["splits"]["test"]
    assert "chosen on this split" in verdict(metrics)
    metrics["splits"]["val"]["metrics"]["auc"] = {"value": None, "low": None, "high": None}
    assert "cannot be given" in verdict(metrics)


def test_one_class_makes_a_report_with_gaps(tmp_path: Path) -> None:
    rows = _predictions()
    rows = rows[(rows["label"] == 1) & (rows["split"] == "test")]
    write_report(tmp_path, _metrics(rows), rows, {}, detector={}, environment={})
    page = _Page((tmp_path / "report.html").read_text())
    assert ["AUC", "—"] in page.cells
    assert "test has no real image" in (tmp_path / "report.html").read_text()


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
