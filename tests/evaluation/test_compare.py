"""Runs side by side, from their folders alone."""

import base64
import contextlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from evaluated import some_rows, write_overrides, write_run
from runs import metrics, start, train_here

from fakedet.config import CompareConfig, RunFolderConfig
from fakedet.errors import UserError
from fakedet.evaluation.compare import compare
from fakedet.metrics.scores import TITLES
from fakedet.models import checkpoint


def _run(folder: Path, overrides: list[str], auc: dict[str, float | None] | None = None, failure: str = "") -> Path:
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text(json.dumps(overrides))
    if failure:
        (folder / "failure.txt").write_text(f"{failure}\n")
    if auc is not None:
        splits = {
            split: {
                "metrics": {
                    "auc": {
                        "value": value,
                        "low": None if value is None else value - 0.05,
                        "high": None if value is None else value + 0.05,
                    }
                }
            }
            for split, value in auc.items()
        }
        (folder / "metrics.json").write_text(json.dumps({"splits": splits}))
    return folder


def test_best_validation_first_then_what_failed_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    _run(tmp_path / "a", ["optimizer.lr=1e-4"], {"val": 0.7, "test": 0.9})
    _run(
        tmp_path / "deep" / "b", ["optimizer.lr=2e-4"], {"val": 0.8, "test": 0.6}, failure="once, before it was resumed"
    )
    _run(tmp_path / "c", ["optimizer.lr=-1"], failure="The optimizer cannot be built.")
    _run(tmp_path / "d", ["model=resnet50"])
    _run(tmp_path / "e", [], {"val": None})
    compare(CompareConfig(runs=[str(tmp_path)]))
    said = capsys.readouterr().out
    assert "5 runs, best validation AUC first" in said
    order = [said.index(f"{tmp_path}/{name} ") for name in ("deep/b", "a", "e", "c", "d")]
    assert order == sorted(order)
    assert "0.800 [0.750, 0.850]" in said
    assert "0.600 [0.550, 0.650]" in said
    assert "failed: The optimizer cannot be built." in said
    assert "once, before" not in said, "a run that ended well has not failed"
    assert "not finished" in said
    assert "optimizer.lr=2e-4" in said


def test_what_stands_in_brackets_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    _run(tmp_path / "a", ["logger=[wandb,csv]"], {"val": 0.7})
    _run(tmp_path / "b", [], failure="[red]no such thing[/red]")
    compare(CompareConfig(runs=[str(tmp_path)]))
    said = capsys.readouterr().out
    assert "logger=[wandb,csv]" in said
    assert "failed: [red]no such thing[/red]" in said


def test_folders_without_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no run below"):
        compare(CompareConfig(runs=[str(tmp_path)]))
    with pytest.raises(UserError, match=r"runs=.*none is not a folder"):
        compare(CompareConfig(runs=[str(tmp_path / "none")]))
    audit = _run(tmp_path / "audit", [])
    (audit / ".hydra" / "hydra.yaml").write_text("hydra: {job: {config_name: audit}}")
    with pytest.raises(UserError, match="There is no run below"):
        compare(CompareConfig(runs=[str(tmp_path)]))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"metric": "aucc"}, r"metric=aucc \(did you mean auc\?\) is none of auc, partial_auc"),
        ({"level": "videos"}, r"level=videos \(did you mean video\?\) is none of frame, video"),
        ({"metric": "eer"}, "are of evaluations, and below .* there are trainings alone"),
        ({"against": "a"}, "are of evaluations"),
    ],
)
def test_settings_that_fit_nothing_are_refused(settings: dict[str, str], sentence: str, tmp_path: Path) -> None:
    _run(tmp_path / "a", [], {"val": 0.7})
    with pytest.raises(UserError, match=sentence):
        compare(CompareConfig(runs=[str(tmp_path)], **settings))  # type: ignore[arg-type]


def test_trainings_alone_leave_no_file(tmp_path: Path) -> None:
    _run(tmp_path / "runs" / "a", [], {"val": 0.7})
    compare(CompareConfig(runs=[str(tmp_path / "runs")], run=RunFolderConfig(str(tmp_path / "out"))))
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def detectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two detectors on two data sets, one of which a third failed on; and one training."""
    place = tmp_path_factory.mktemp("detectors")
    for name, home, skill in (("x", "here", 1.5), ("y", "wild", 0.6)):
        for number, dataset in enumerate(("here", "wild")):
            write_run(place / f"{name}{number}", name, [home], some_rows(dataset, skill, seed=number))
    hostile = "<script>alert(1)</script> [red]& [/nothing]"
    write_overrides(place / "z", "ckpt=/detectors/z", "data=wild", failure=f"There is no {hostile}.")
    _run(place / "training", ["model=resnet18"], {"val": 0.7, "test": 0.6})
    return place


@pytest.fixture(scope="module")
def written(detectors: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a comparison, and what was said."""
    folder = tmp_path_factory.mktemp("out") / "deep" / "comparison"
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(stream):
        patch.setenv("COLUMNS", "250")
        compare(CompareConfig(runs=[str(detectors)], run=RunFolderConfig(str(folder))))
    return folder, stream.getvalue()


def test_evaluations_end_in_a_page_a_picture_and_tables(written: tuple[Path, str]) -> None:
    folder, said = written
    assert {file.name for file in folder.iterdir()} == {
        "comparison.html", "matrix.png", "matrix.parquet", "differences.parquet"
    }  # fmt: skip
    matrix, pairs = (pd.read_parquet(folder / f"{name}.parquet") for name in ("matrix", "differences"))
    assert matrix["dataset"].tolist() == ["here", "wild", "here", "wild", "wild"]
    assert matrix["value"].isna().tolist() == [False] * 4 + [True]
    assert pairs["metric"].nunique() == len(TITLES)
    assert len(pairs) == 2 * len(TITLES)
    page = (folder / "comparison.html").read_text()
    for text in (said, page):
        for value in matrix["value"].dropna():
            assert f"{value:.3f}" in text
        for row in pairs[pairs["metric"] == "auc"].itertuples():
            assert f"{row.difference:+.3f}" in text
    assert "1 runs, best validation AUC first" in said
    assert said.rstrip().endswith(f"Comparison: {folder / 'comparison.html'}")
    assert base64.b64encode((folder / "matrix.png").read_bytes()).decode() in page


def test_the_page_runs_and_fetches_nothing_and_the_terminal_shows_names_as_they_are(written: tuple[Path, str]) -> None:
    folder, said = written
    page = (folder / "comparison.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; [red]&amp; [/nothing]" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "<script>alert(1)</script> [red]& [/nothing]" in " ".join(said.split())


def test_the_verdict_claims_no_more_than_the_intervals(written: tuple[Path, str]) -> None:
    folder, _ = written
    pairs = pd.read_parquet(folder / "differences.parquet")
    auc = pairs[pairs["metric"] == "auc"]
    apart = int(((auc["low"] > 0) | (auc["high"] < 0)).sum())
    sentence = f"In {apart} of 2 pairs on the same images the 95 % interval of the difference leaves out 0"
    assert sentence in (folder / "comparison.html").read_text()
    assert "better" not in re.findall(r'class="verdict">(.*?)</p>', (folder / "comparison.html").read_text())[0]


def test_a_reference_is_taken_by_its_run(detectors: Path, tmp_path: Path) -> None:
    settings = RunFolderConfig(str(tmp_path))
    compare(CompareConfig([str(detectors)], metric="brier", level="video", against=str(detectors / "x0"), run=settings))
    pairs = pd.read_parquet(tmp_path / "differences.parquet")
    assert set(pairs["second"]) == {"net (x)"}
    assert set(pairs["level"]) == {"video"}
    assert set(pd.read_parquet(tmp_path / "matrix.parquet")["metric"]) == {"brier"}


def test_one_detector_on_one_data_set_is_no_pair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "runs" / "0", "x", ["here"], some_rows("wild", 1.0))
    compare(CompareConfig([str(tmp_path / "runs")], run=RunFolderConfig(str(tmp_path / "out"))))
    assert "Paired differences" not in capsys.readouterr().out
    assert pd.read_parquet(tmp_path / "out" / "differences.parquet").empty
    assert "Paired differences" not in (tmp_path / "out" / "comparison.html").read_text()


def test_a_leak_stands_on_the_first_line(tmp_path: Path) -> None:
    write_run(tmp_path / "0", "x", ["here"], some_rows("wild", 1.0), leaks=["3 of these images were trained on."])
    compare(CompareConfig([str(tmp_path)], run=RunFolderConfig(str(tmp_path / "out"))))
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert 0 < page.index("LEAK, net (x) on wild") < page.index("<h1>")
    assert "No AUC can be given" in page


def test_a_sweep_of_evaluations_ends_in_its_matrix_with_gaps_for_what_failed(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    home = make_folder(tmp_path / "home", groups=10, size=40, layout="splits")
    file = checkpoint.find(train_here(tmp_path / "one", home, "trainer.max_epochs=1"))
    (tmp_path / "two.ckpt").write_bytes(file.read_bytes())
    chosen = ["data=folder", f"data.root={home},gone", "data.workers=0", "shortcut=false", "explanations=0"]
    sweep = start(
        "evaluate", "-m", "ckpt=one,two.ckpt", *chosen, "device=cpu", "hydra.sweep.dir=sweep", folder=tmp_path
    )  # fmt: skip
    said = sweep.communicate(timeout=240)[0]
    assert sweep.returncode == 1, said
    assert "Traceback" not in said
    matrix = pd.read_parquet(tmp_path / "sweep" / "matrix.parquet").set_index(["detector", "dataset"])
    expected = [(name, data) for name in ("one", "two") for data in ("home", "gone")]
    assert matrix.index.tolist() == [(f"test_efficientnet ({name})", data) for name, data in expected]
    assert matrix["run"].tolist() == [f"sweep/{number}" for number in range(4)]
    for number, (_, data) in enumerate(expected):
        row = matrix.iloc[number]
        if data == "gone":
            assert "gone is not a folder" in row["reason"]
            assert pd.isna(row["value"])
        else:
            entry = metrics(tmp_path / "sweep" / str(number))["splits"]["test"]["metrics"]["auc"]
            assert row["value"] == entry["value"]
            assert row["own"]
    pairs = pd.read_parquet(tmp_path / "sweep" / "differences.parquet")
    assert set(pairs["dataset"]) == {"home"}
    assert (pairs["images"] == 4).all()
    assert pairs.set_index("metric").loc["auc", "difference"] == 0, "a detector does not differ from its copy"
    assert "Comparison: sweep/comparison.html" in said

    shown = said[said.index("2 detectors on 2 data sets") : said.index("Comparison: ")]
    again = start("compare", "runs=[sweep]", "run.dir=again", folder=tmp_path)
    compared = again.communicate(timeout=120)[0]
    assert again.returncode == 0, compared
    assert compared[: compared.index("Comparison: ")] == shown
    for name in ("matrix", "differences"):
        before, after = (pd.read_parquet(tmp_path / place / f"{name}.parquet") for place in ("sweep", "again"))
        pd.testing.assert_frame_equal(before, after)
