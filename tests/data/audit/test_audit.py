"""The whole audit on sets with planted faults: as the real command, and in this process."""

import csv
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import runs
from omegaconf import DictConfig

from fakedet.data.audit.audit import Findings, audit
from fakedet.detector.image import decode
from fakedet.errors import UserError
from fakedet.evaluation.intervals import intervals

MakeSet = Callable[..., pd.DataFrame]
Compose = Callable[..., DictConfig]
TABLE = ("data=folder", "data.manifest=labels.csv", "data.workers=0")


def _command(folder: Path, *overrides: str) -> tuple[int, str]:
    done = runs.start("audit", *TABLE, f"hydra.run.dir={folder / 'run'}", *overrides, folder=folder)
    text, _ = done.communicate(timeout=300)
    return done.returncode, text


@pytest.fixture
def here(tmp_path: Path, compose: Compose) -> Callable[..., dict[str, Any]]:
    """Audit in this process; returns what `audit.json` holds."""

    def run(rows: pd.DataFrame, *overrides: str) -> dict[str, Any]:
        rows.to_csv(tmp_path / "labels.csv", index=False)
        (tmp_path / "run").mkdir(exist_ok=True)
        config = compose("audit", *TABLE, f"data.root={tmp_path}", *overrides)
        try:
            audit(config, intervals)  # type: ignore[arg-type]
        except Findings as found:
            assert found.status == 3
        text = (tmp_path / "run" / "audit.json").read_text()
        record: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)
        return record

    return run


def _verdicts(record: dict[str, Any]) -> dict[str, str]:
    return {line["what"]: line["verdict"] for line in record["lines"]}


def test_a_clean_set_passes(tmp_path: Path, make_set: MakeSet) -> None:
    rows = make_set(tmp_path)
    rows.to_csv(tmp_path / "labels.csv", index=False)
    status, text = _command(tmp_path, f"data.root={tmp_path}")
    assert status == 0, text
    assert "Neither a leak nor a shortcut was found in the 60 images (30 groups)" in " ".join(text.split())
    assert f"Report: {tmp_path / 'run' / 'audit.html'}" in text
    record = json.loads((tmp_path / "run" / "audit.json").read_text())
    assert record["findings"] == []
    assert "finding" not in _verdicts(record).values()
    assert record["images"] == record["sample_for_shortcuts"] == 60
    assert record["splits"]["val"] == {"real": 6, "fake": 6}
    assert (tmp_path / "run" / "near_duplicates.csv").read_text().startswith("path,split,label,other,")
    assert not (tmp_path / "run" / "failure.txt").exists()


def test_planted_faults_are_all_found_with_a_status_of_their_own(
    tmp_path: Path, make_set: MakeSet, save: Callable[..., None]
) -> None:
    rows = make_set(tmp_path)
    shutil.copyfile(tmp_path / "000.jpg", tmp_path / "006.jpg")  # the same file in train and val
    save(tmp_path / "008.jpg", decode(tmp_path / "002.jpg"), quality=50)  # nearly the same in train and test
    rows["video"] = [f"v{number}" for number in range(60)]
    rows.loc[[4, 16], "video"] = "shared"
    rows["target_identity"] = [f"id{number}" for number in range(60)]
    rows["source_identity"] = None
    rows.loc[18, "source_identity"] = "id1"  # of test: a face that is trained on
    rows["source_clip"] = rows["video"]
    for number in range(1, 60, 2):  # fakes are PNG files
        image = decode(tmp_path / f"{number:03d}.jpg")
        (tmp_path / f"{number:03d}.jpg").unlink()
        save(tmp_path / f"{number:03d}.png", image)
        rows.loc[number, "path"] = f"{number:03d}.png"
    rows["sha256"] = [hashlib.sha256((tmp_path / path).read_bytes()).hexdigest() for path in rows["path"]]
    save(tmp_path / "020.jpg", decode(tmp_path / "020.jpg"), quality=80)  # edited since
    (tmp_path / "030.jpg").write_bytes(b"no picture")
    rows.loc[30, "sha256"] = hashlib.sha256(b"no picture").hexdigest()
    coverage = pd.DataFrame({"label": [0, 1], "method": ["real", "x"], "files": 9, "unreadable": 0, "frames": 100})
    coverage.assign(faces=[99, 90]).to_csv(tmp_path / "coverage.csv", index=False)
    rows.to_csv(tmp_path / "labels.csv", index=False)
    status, text = _command(tmp_path, f"data.root={tmp_path}", "data.max_unreadable=0.05")
    assert status == 3, text
    (sentence,) = re.findall(r"^error: .*", text, re.MULTILINE)
    assert "has faults that a score would hide: 1 video in several splits, in 1 image of the later ones" in sentence
    assert "Traceback" not in text
    record = json.loads((tmp_path / "run" / "audit.json").read_text())
    found = {what for what, verdict in _verdicts(record).items() if verdict == "finding"}
    assert found >= {
        "same video", "same person", "same source clip", "same file", "near-duplicate picture", "files changed since",
        "all together", "file format", "frames with a face",
    }  # fmt: skip
    assert "1 of 60 checked files are not those that the manifest was made of (020.jpg)" in record["findings"]
    assert "file format: JPEG in 100 % of the real and 0 % of the fake images" in record["findings"]
    assert record["unreadable"] == 1
    with (tmp_path / "run" / "near_duplicates.csv").open(newline="") as stream:
        pairs = [(row["path"], row["other"], row["same_file"]) for row in csv.DictReader(stream)]
    assert pairs == [("006.jpg", "000.jpg", "True"), ("008.jpg", "002.jpg", "False")]
    page = (tmp_path / "run" / "audit.html").read_text()
    assert page.count("<img ") >= 2 + 1 + 1 + 1  # pairs, graph, distribution, coverage
    assert not re.search(r"(https?:)?//\w", re.sub(r"base64,[\w+/=]+", "", page))
    assert "no picture" not in page


def test_what_the_caller_can_mend_is_one_sentence(tmp_path: Path) -> None:
    status, text = _command(tmp_path, "data.root=nowhere")
    assert (status, text) == (1, "error: data.root=nowhere is not a folder.\n")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["sample=5"], "sample=5 is too few"),
        (["max_auc=0.4"], "max_auc=0.4 is not between 0.5"),
        (["max_auc=1"], "max_auc=1.0 is not between 0.5"),
        (["+data.shade=1"], "shade"),
        (["+shade=1"], "there is no setting shade"),
        (["data.manifest=other.csv"], "other.csv is not a CSV or Parquet file"),
    ],
)
def test_settings_are_checked_at_the_door(
    overrides: list[str], message: str, tmp_path: Path, make_set: MakeSet, here: Callable[..., dict[str, Any]]
) -> None:
    with pytest.raises(UserError, match=message):
        here(make_set(tmp_path, count=20), *overrides)


def test_the_data_must_be_named(compose: Compose) -> None:
    with pytest.raises(UserError, match="data must be given: data=folder"):
        audit(compose("audit"), intervals)  # type: ignore[arg-type]


def test_one_class_is_refused(tmp_path: Path, make_set: MakeSet, here: Callable[..., dict[str, Any]]) -> None:
    with pytest.raises(UserError, match="holds no fake image"):
        here(make_set(tmp_path, count=20).assign(label=0))


def test_too_many_unreadable_are_refused(
    tmp_path: Path, make_set: MakeSet, here: Callable[..., dict[str, Any]]
) -> None:
    rows = make_set(tmp_path, count=20)
    (tmp_path / "003.jpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"1 of 20 images cannot be read.*003.jpg, which is empty"):
        here(rows)
    assert (tmp_path / "run" / "quarantine.csv").read_text().splitlines()[1] == "003.jpg,is empty"


def test_few_images_pass_with_a_doubt(tmp_path: Path, make_set: MakeSet, here: Callable[..., dict[str, Any]]) -> None:
    record = here(make_set(tmp_path, count=18))
    assert record["findings"] == []
    assert "too few images to tell" in record["verdict"]
    assert _verdicts(record)["all together"] == "too few to tell"


def test_the_sample_is_balanced_and_the_same_each_time(
    tmp_path: Path, make_set: MakeSet, here: Callable[..., dict[str, Any]]
) -> None:
    rows = make_set(tmp_path, count=60)
    first, second = here(rows, "sample=30"), here(rows, "sample=30")
    assert first == second
    assert first["sample_for_shortcuts"] == 30
    assert here(rows, "sample=30", "seed=1") != first


def test_a_set_without_splits_is_audited_as_it_would_be_trained_on(
    tmp_path: Path, make_set: MakeSet, here: Callable[..., dict[str, Any]]
) -> None:
    rows = make_set(tmp_path, count=60)
    shutil.copyfile(tmp_path / "000.jpg", tmp_path / "002.jpg")
    splits = {}
    for seed in range(2):
        record = here(rows.drop(columns="split"), f"data.split_seed={seed}")
        splits[_verdicts(record)["same file"]] = record
    assert set(splits) == {"fine", "finding"}  # as chance puts both copies into one split or two
    assert set(splits["fine"]["splits"]) == {"train", "val", "test"}


def test_hostile_names_stay_text(
    tmp_path: Path, make_set: MakeSet, here: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = make_set(tmp_path, count=20)
    rows["video"] = [f"v{number}" for number in range(20)]
    rows.loc[[0, 8], "video"] = "<script>alert(1)</script>\x1b[31m"
    (sentence,) = here(rows)["findings"]
    page = (tmp_path / "run" / "audit.html").read_text()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>" not in page
    assert "\x1b" not in page + sentence + capsys.readouterr().out


def test_one_split_only_is_said(tmp_path: Path, make_set: MakeSet, here: Callable[..., dict[str, Any]]) -> None:
    rows = make_set(tmp_path, count=40).assign(split="test")
    shutil.copyfile(tmp_path / "000.jpg", tmp_path / "002.jpg")
    record = here(rows)
    assert record["lines"][3]["found"] == "there is one split only"
    assert record["findings"] == []


def test_faces_framed_by_class_are_found(
    tmp_path: Path, make_set: MakeSet, here: Callable[..., dict[str, Any]]
) -> None:
    rows = make_set(tmp_path, count=60)
    jitter = np.random.default_rng(0).integers(0, 3, 60)
    rows["face_box"] = [f"8,8,{56 - 10 * label + shift},56" for label, shift in zip(rows["label"], jitter, strict=True)]
    record = here(rows)
    assert _verdicts(record)["face width"] == "finding"
    assert "real faces fill 77 % of the width, fake ones 61 %" in record["findings"]
