"""docs/wandb.md: the keys that it names are those that a training logs, and the view uses no others."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from documented import ROOT
from runs import PANEL, evaluate_here, train_here
from wandb_file import offline_runs

from fakedet.metrics.scores import TITLES

PAGE = (ROOT / "docs" / "wandb.md").read_text()
LOGGED, VIEW = PAGE.split("## A view worth saving")
# What is no value of its own: where W&B puts a row, and a chart's points.
_OWN = {"epoch", "trainer/global_step"}
_SUITE = ("robustness=standard", "robustness.images=4")
SUMMARY = r"best/(val|test)/(\w|-)+|latency/\w+|model|dataset|protocol"


@pytest.fixture(scope="module")
def logged(make_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The keys of a training and of an evaluation, and the x axes, as an offline run's file has them."""
    folder = tmp_path_factory.mktemp("tracked")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("WANDB_MODE", "offline")
        images = make_folder(folder / "images", groups=20, size=40, layout="csv")
        table = ("data.manifest=labels.csv", "data.group_by=original")
        every = "trainer.log_every_n_steps=1"
        train_here(folder / "run", images, *table, "trainer.max_epochs=1", every, "logger=wandb", PANEL)
        evaluate_here(folder / "again", f"ckpt={folder / 'run'}", "logger=wandb", "explanations=4", *_SUITE)
        trained, evaluated = offline_runs(folder / "logs" / "wandb")
    yield {"trained": trained, "evaluated": evaluated}


def _keys(run: Any) -> set[str]:
    """What a run has logged; a chart is logged as the table of its points."""
    every = {key for row in run.history for key in row} | set(run.summary)
    return {key.removesuffix("_table") for key in every if not key.startswith("_")} - _OWN


def _named(text: str) -> set[str]:
    """The keys that a text names, with its placeholders filled in."""
    shown = re.findall(r"`([a-z][\w/.-]*)`", re.sub(r"SPLIT|METRIC", lambda found: found[0].lower(), text))
    keys = {key for key in shown if "/" in key or re.fullmatch(SUMMARY, key)}
    splits = {key.replace("split", split) for key in keys for split in ("val", "test")}
    return {key.replace("metric", name) for key in splits for name in TITLES} - _OWN


def _rows(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and not set(line) <= set("| -"):
            yield cells


def test_every_key_that_is_logged_is_named_and_the_other_way_round(logged: dict[str, Any]) -> None:
    named = {key for cells in _rows(LOGGED) for key in _named(cells[0])}
    points = {key for key in named if key.endswith("_table")}
    there = _keys(logged["trained"])
    parts = {key for key in there if re.fullmatch(r"best/(val|test)/method/(swap|paint)/auc", key)}
    assert len(parts) == 4
    assert "`best/SPLIT/method/NAME/auc`" in LOGGED
    wanted = {key.removesuffix("_table") for key in named}
    # Metrics that want more images than the miniature has.
    rare = {key for key in wanted if re.search(r"tpr_at_fpr", key)}
    assert there - parts == wanted - rare
    assert points <= {"val/roc_table", "val/pr_table"}


def test_what_an_evaluation_adds_is_named(logged: dict[str, Any]) -> None:
    added = _keys(logged["evaluated"]) - _keys(logged["trained"])
    told = re.search(r"^An evaluation .*?\n\n", LOGGED, re.MULTILINE | re.DOTALL)
    assert told is not None
    assert added == set(re.findall(r"`((?:report|best/test/corrupted)/\w+)`", told[0]))


def test_the_axes_are_those_that_runs_define(logged: dict[str, Any]) -> None:
    axes = logged["trained"].step_metrics
    for key, _, _, over in _rows(LOGGED):
        if key.startswith("`val/") and over:
            assert over == f"`{axes['val/*']}`", key
        if key.startswith(("`train/", "`lr-")):
            assert over == f"`{axes['*']}`", key


def test_the_panels_of_the_table_have_the_columns_that_are_told(logged: dict[str, Any]) -> None:
    (told,) = (cells[1] for cells in _rows(LOGGED) if cells[0] == "`val/panel`")
    columns = logged["trained"].table("val/panel")["columns"]
    assert told.startswith(f"table: {', '.join(columns)};")


def test_the_view_uses_what_is_logged(logged: dict[str, Any]) -> None:
    used = {key for key in re.findall(r"`([\w/.-]+)`", VIEW) if "/" in key and not key.endswith(".py")} - _OWN
    assert len(used) > 15
    assert used <= _keys(logged["trained"])
    for cells in list(_rows(VIEW))[1:]:
        assert cells[2] in (
            "line plot",
            "bar chart",
            "custom chart",
            "scatter plot",
            "parameter importance",
            "media",
            "table",
        )


def test_the_metrics_are_told_in_full() -> None:
    told = re.search(r"`METRIC` one of (.*?);", LOGGED, re.DOTALL)
    assert told is not None
    assert [name.strip() for name in told[1].split(",")] == list(TITLES)
