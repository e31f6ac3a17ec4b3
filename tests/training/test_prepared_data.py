"""Training and evaluating on data that was prepared: the detector takes over how its faces were cut out."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from runs import evaluate_here, metrics, prepare_here, train_here

from fakedet.data.miniatures import make_tree
from fakedet.data.prepared import Prepared
from fakedet.detector.trained_on import digest_names
from fakedet.errors import UserError
from fakedet.models import checkpoint

PROTOCOL = ("data.val_share=0.3", "data.test_share=0.3", "data.split=identity_disjoint", "data.workers=0")
PEOPLE = ("target_identity", "source_identity")
ONE_EPOCH = ("trainer.max_epochs=1", "preprocess.size=32", *PROTOCOL)


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    return prepare_here("celebdf", make_tree("celebdf", folder / "raw"), folder / "prepared")


@pytest.fixture(scope="module")
def run(crops: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_here(tmp_path_factory.mktemp("runs") / "run", crops, "data=celebdf", *ONE_EPOCH)


def test_the_checkpoint_knows_how_faces_are_cut_out(run: Path, crops: Path) -> None:
    _, card = checkpoint.load(checkpoint.find(run))
    assert card.preprocess.face == Prepared.read(crops).face
    written = metrics(run)
    assert written["protocol_name"] == "celebdf identity_disjoint (seed 0)"
    assert "celebdf identity_disjoint" in (run / "report.html").read_text()


def test_the_checkpoint_knows_what_it_was_trained_on(run: Path, crops: Path) -> None:
    _, card = checkpoint.load(checkpoint.find(run))
    rows = pd.read_parquet(crops / "manifest.parquet")
    tested = set(pd.read_parquet(run / "predictions.parquet")["path"])
    known = card.trained_on
    assert (card.protocol_name, card.datasets) == ("celebdf identity_disjoint (seed 0)", ("celebdf",))
    assert 0 < card.images < len(rows)
    assert 0 < len(known.video) <= card.images == len(known.file)
    people = pd.concat([rows[["path", column]].set_axis(["path", "name"], axis=1) for column in PEOPLE]).dropna()
    names = people["name"].groupby(people["path"].isin(tested)).unique()
    assert not known.seen("identity", digest_names("identity", names[True])).any()
    assert set(digest_names("identity", names[False])) >= set(known.identity) > set()
    assert len(known.source_clip) > 0


def test_the_same_split_gives_the_same_numbers(run: Path, crops: Path, tmp_path: Path) -> None:
    again = metrics(evaluate_here(tmp_path / "again", f"ckpt={run}"))
    assert again["splits"]["test"]["metrics"] == metrics(run)["splits"]["test"]["metrics"]
    assert not any(line.startswith("CROPS") for line in again["doubts"])


def test_other_crops_are_a_loud_warning(run: Path, crops: Path, tmp_path: Path) -> None:
    other = make_tree("celebdf", tmp_path / "raw", seed=5)
    root = prepare_here("celebdf", other, tmp_path / "prepared", "face.margin=1.0", "frames=1")
    # Whoever made them, videos and people that are called alike are taken for the same.
    chosen = ("data=celebdf", f"data.root={root}", "allow_leak=true")
    written = metrics(evaluate_here(tmp_path / "run", f"ckpt={run}", *chosen))
    assert written["doubts"][0].startswith("CROPS: the detector wants faces cut out with margin 1.3 ")
    assert "these were cut out with margin 1 " in (tmp_path / "run" / "report.html").read_text()


def test_another_cut_than_that_of_the_data_is_refused(crops: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"preprocess\.face is not how the images of .* were cut out"):
        train_here(tmp_path / "run", crops, "data=celebdf", "preprocess.face={margin: 1.0}", *ONE_EPOCH)


def test_crops_that_were_trained_on_are_refused_wherever_they_lie(run: Path, crops: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(crops, tmp_path / "moved")
    with pytest.raises(UserError, match="images show what the detector was trained on: the same file in"):
        evaluate_here(tmp_path / "run", f"ckpt={run}", "data=celebdf", f"data.root={moved}", "split=all")
