"""The model card's tables, from runs with made-up scores."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from evaluated import some_rows, write_run
from sklearn.metrics import roc_auc_score

from fakedet.data.benchmarks.folder import Folder
from fakedet.detector.spec import PreprocessSpec

SCRIPTS = Path(__file__).parents[1] / "scripts"
SETS = (
    "dfdc_faces",
    "hard_fake_vs_real",
    "many_models",
    "photographs",
    "photoreal",
    "stable_diffusion_v1",
    "stylegan1",
)
ONE_CLASS = {"many_models": 1, "photographs": 0}


def _rows() -> pd.DataFrame:
    parts = []
    for number, name in enumerate(SETS):
        rows = some_rows(name, 0.4 + 0.2 * number, seed=number)
        parts.append(rows[rows["label"] == ONE_CLASS[name]] if name in ONE_CLASS else rows)
    tested = pd.concat(parts, ignore_index=True)
    validated = tested.assign(path="val/" + tested["path"], split="val", logit=0.0, score=0.5)
    return pd.concat([tested, validated], ignore_index=True)


def _run(folder: Path, *unseen: str) -> Path:
    return write_run(folder, "shipped", [name for name in SETS if name not in unseen], _rows())


def _script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _auc(fakes: str, reals: tuple[str, ...]) -> float:
    rows = _rows()
    fake = (rows["dataset"] == fakes) & (rows["label"] == 1)
    part = rows[(rows["split"] == "test") & (fake | rows["dataset"].isin(reals) & (rows["label"] == 0))]
    return float(roc_auc_score(part["label"], part["logit"]))


def _cells(text: str) -> dict[str, list[str]]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]
    return {line[0]: line[1:] for line in lines}


GENERAL = ("photographs", "photoreal", "stable_diffusion_v1")


def test_every_part_is_scored_against_its_reals(tmp_path: Path) -> None:
    run = _run(tmp_path / "run")
    found = _cells(_script("shipped_figures.py", run).stdout)
    assert found["all of them"][:2] == ["480", "480"]
    assert found["– StyleGAN 1"][:2] == ["80", "80"]
    assert float(found["– StyleGAN 1"][2].split()[0]) == pytest.approx(_auc("stylegan1", ("stylegan1",)), abs=6e-4)
    assert found["– forty current models"][:2] == ["240", "80"]
    assert float(found["– forty current models"][2].split()[0]) == pytest.approx(_auc("many_models", GENERAL), abs=6e-4)
    assert "– models of 2022" not in found  # this run has none
    mean = found.pop("mean of the 5 parts")
    assert mean[0] == ""
    whole = [float(cells[2].split()[0]) for name, cells in found.items() if not name.startswith(("–", "all"))]
    assert len(whole) == 5
    assert float(mean[2]) == pytest.approx(sum(whole) / 5, abs=1.1e-3)
    assert all(re.fullmatch(r"0\.\d{3} \[0\.\d{3}, \d\.\d{3}\]", cells[2]) for cells in found.values())
    blind = _cells(_script("shipped_figures.py", run, "--split", "val").stdout)
    assert {cells[2].split()[0] for cells in blind.values()} == {"0.500"}


def test_what_was_left_out_is_scored_by_itself(tmp_path: Path) -> None:
    runs = [_run(tmp_path / "a", "stylegan1"), _run(tmp_path / "b", "many_models", "dfdc_faces")]
    found = _cells(_script("shipped_left_out.py", *runs).stdout)
    wanted = {
        "stylegan1": _auc("stylegan1", ("stylegan1",)),
        "dfdc_faces": _auc("dfdc_faces", ("dfdc_faces",)),
        "many_models": _auc("many_models", GENERAL),
    }
    assert list(found) == [*wanted, "mean of 3"]
    for source, auc in wanted.items():
        assert float(found[source][2].split()[0]) == pytest.approx(auc, abs=6e-4)
    assert found["many_models"][:2] == ["240", "80"]
    assert float(found["mean of 3"][2]) == pytest.approx(sum(wanted.values()) / 3, abs=6e-4)


def test_test_pictures_are_laid_out_with_their_groups(tmp_path: Path) -> None:
    rows = _rows().assign(source_clip=lambda found: found["path"].str.removeprefix("val/"))
    others = rows[rows["dataset"] != "dfdc_faces"]
    twice = others.assign(path="cut/" + others["path"])  # the same picture, whole and cut to its face
    run = write_run(tmp_path / "run", "shipped", SETS, pd.concat([rows, twice], ignore_index=True))
    raw = tmp_path / "raw"
    for clip in set(rows["source_clip"]):
        (raw / clip).parent.mkdir(parents=True, exist_ok=True)
        (raw / clip).write_bytes(clip.encode())
    made = _script("shipped_pictures.py", run, raw, tmp_path / "new")
    assert made.stdout.splitlines() == [
        f"{tmp_path}/new/{part}: {count} pictures"
        for part, count in (("dfdc", 160), ("general", 480), ("stylegan", 320))
    ]
    found = Folder(
        root=str(tmp_path / "new/general"), group_by="group", batch_size=1, workers=0, balance=[], limit=None,
        val_share=0.1, test_share=0.1, split_seed=0, max_unreadable=0.01, spec=PreprocessSpec(),
    ).index()  # fmt: skip
    wanted = rows[(rows["split"] == "test") & ~rows["dataset"].isin(["dfdc_faces", "stylegan1", "hard_fake_vs_real"])]
    told = {
        (tmp_path / "new/general" / str(row.path)).read_text(): (row.label, row.group) for row in found.itertuples()
    }
    assert told == {row.source_clip: (row.label, row.group) for row in wanted.itertuples()}
    again = _script("shipped_pictures.py", run, raw, tmp_path / "new")
    assert again.stderr == f"error: {tmp_path}/new exists already: name a folder that does not.\n"
    (raw / rows["source_clip"][0]).unlink()
    lacking = _script("shipped_pictures.py", run, raw, tmp_path / "other")
    assert lacking.stderr.startswith(f"error: {raw} lacks {rows['source_clip'][0]}: ")
    assert not (tmp_path / "other").exists()


def test_runs_that_cannot_be_tabulated_are_refused_in_one_sentence(tmp_path: Path) -> None:
    run = _run(tmp_path / "run")
    (tmp_path / "empty").mkdir()
    fakes = _rows()
    fakes = fakes[fakes["dataset"] == "many_models"]
    alone = write_run(tmp_path / "alone", "shipped", ["stylegan1"], fakes)
    for script, arguments, sentence in (
        ("shipped_left_out.py", [run], "was trained on all that it was tested on"),
        ("shipped_left_out.py", [alone], "no reals for many_models"),
        ("shipped_left_out.py", [tmp_path / "empty"], "There are no predictions"),
        ("shipped_figures.py", [tmp_path / "empty"], "There are no predictions"),
        ("shipped_pictures.py", [alone, tmp_path, tmp_path / "new"], "no test picture that prepare.py has cut"),
    ):
        ended = _script(script, *arguments)
        assert ended.returncode == 1
        assert ended.stderr.startswith("error: ")
        assert sentence in ended.stderr
        assert len(ended.stderr.splitlines()) == 1
