"""What test images share with training: files, videos, clips and people, of published sets and one's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray
from runs import ROOT

from fakedet.augment import Forger
from fakedet.data import manifest
from fakedet.data.benchmark import Benchmark
from fakedet.data.benchmarks.folder import Folder
from fakedet.data.datamodule import UNREADABLE, DataModule
from fakedet.data.miniatures import make_tree
from fakedet.data.protocols import PROTOCOLS
from fakedet.data.sample import Sample
from fakedet.detector.spec import PreprocessSpec
from fakedet.evaluation.overlap import Overlap, count, overlaps, refusal, remember, sentence
from fakedet.instantiation import instantiate

PEOPLE = ("celebdf", "celebdf_v1", "faceforensics", "dfd", "dfdc", "dfdc_preview", "df40", "genimage")


def _rows(*entries: dict[str, Any], dataset: str = "mine") -> pd.DataFrame:
    """Manifest rows `0000.png`, `0001.png` and so on, real, of the columns that matter."""
    common = {"label": 0, "dataset": dataset, "split": "test"}
    rows = [{**common, "path": f"{place:04d}.png", "group": f"{place}", **entry} for place, entry in enumerate(entries)]
    return manifest.complete(pd.DataFrame(rows))


def _new(rows: pd.DataFrame) -> NDArray[np.int64]:
    """Digests of files that no other rows have."""
    return np.random.default_rng(len(rows)).integers(1, 2**62, len(rows))


def _found(training: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Overlap]:
    """What is shared by name, by kind."""
    known = remember(training, _new(training))
    return {one.kind: one for one in overlaps(known, rows, np.full(len(rows), UNREADABLE))}


def test_each_kind_is_found_with_its_images_and_names() -> None:
    training = _rows(
        {"video": "x/v1", "source_clip": "x:c1", "target_identity": "x:anna"},
        {"video": "x/v2", "source_clip": "x:c2", "target_identity": "x:anna", "source_identity": "x:bert"},
        dataset="x",
    )
    rows = _rows(
        {"video": "x/v9", "source_clip": "x:c2", "target_identity": "x:bert"},
        {"video": "x/v1", "source_clip": "x:c8", "target_identity": "x:carl", "source_identity": "x:anna"},
        {"video": "x/v1", "target_identity": "x:dora", "source_identity": "x:bert"},
        {"video": "x/v7", "source_clip": "x:c7", "target_identity": "x:dora", "source_identity": "x:carl"},
        {},
        dataset="x",
    )
    known = remember(training, np.array([5, 6]))
    found = overlaps(known, rows, np.array([1, 2, 3, 6, UNREADABLE]))
    assert [(one.kind, one.rows.nonzero()[0].tolist(), one.count, one.names) for one in found] == [
        ("file", [3], 1, ("0003.png",)),
        ("video", [1, 2], 2, ("x/v1",)),
        ("source_clip", [0], 1, ("x:c2",)),
        ("identity", [0, 1, 2], 3, ("x:bert", "x:anna")),
    ]
    assert count(found) == 4
    assert sentence(found, len(rows)) == (
        "4 of these 5 images show what the detector was trained on: the same file in 1 (0003.png), the same video in 2 "
        "(x/v1), the same source clip in 1 (x:c2), the same person in 3 (x:bert, x:anna)"
    )


def test_a_file_that_cannot_be_read_is_never_the_same_as_another() -> None:
    rows = _rows({}, {})
    unreadable = np.array([UNREADABLE, UNREADABLE])
    assert overlaps(remember(rows, unreadable), rows, unreadable) == []
    assert count([]) == 0


def test_images_of_which_nothing_is_known_share_nothing_but_files() -> None:
    training, rows = _rows({}, {}), _rows({}, {}, {})
    assert overlaps(remember(training, np.array([1, 2])), rows, np.array([3, 4, 5])) == []
    (found,) = overlaps(remember(training, np.array([1, 2])), rows, np.array([3, 2, 2]))
    assert (found.kind, found.count, found.names) == ("file", 2, ("0001.png", "0002.png"))


def test_many_names_are_counted_and_the_first_shown() -> None:
    rows = _rows(*({"video": f"mine/{place // 2:04d}"} for place in range(5000)))
    found = list(_found(rows, rows).values())
    assert sentence(found, len(rows)) == (
        "5,000 of these 5,000 images show what the detector was trained on: the same video in 5,000 "
        "(mine/0000, mine/0001, mine/0002 and 2,497 more)"
    )


@pytest.mark.parametrize("column", ["video", "source_clip", "target_identity", "source_identity"])
def test_plain_names_of_ones_own_mean_nothing_in_another_folder(column: str) -> None:
    training = _rows({column: "1"}, {column: "clips/2"}, dataset="first")
    assert _found(training, _rows({column: "1"}, {column: "clips/2"}, dataset="second")) == {}
    (again,) = _found(training, _rows({column: "3"}, {column: "1"}, dataset="first")).values()
    assert (again.rows.tolist(), again.names) == ([False, True], ("first:1",))


@pytest.mark.parametrize("column", ["video", "source_clip", "target_identity", "source_identity"])
def test_names_with_a_namespace_are_the_same_everywhere(column: str) -> None:
    training = _rows({column: "lab:1"}, {column: None}, dataset="first")
    (found,) = _found(training, _rows({column: "lab:1"}, {column: "1"}, dataset="second")).values()
    assert (found.rows.tolist(), found.names) == ([True, False], ("lab:1",))


def test_a_person_is_known_whether_filmed_or_swapped_in() -> None:
    training = _rows({"target_identity": "x:a", "source_identity": "x:b"})
    found = _found(training, _rows({"target_identity": "x:b"}, {"source_identity": "x:a"}, {"source_clip": "x:a"}))
    assert list(found) == ["identity"]
    assert found["identity"].rows.tolist() == [True, True, False]


def _reader(name: str, *overrides: str) -> Benchmark:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("prepare", [f"data={name}", "data.root=/nowhere", *overrides])
    data: Benchmark = instantiate(config.data, spec=PreprocessSpec())
    return data


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], pd.DataFrame]:
    """`scans("dfd")`: rows of the miniature's files, read once."""
    folder = tmp_path_factory.mktemp("trees")
    known: dict[str, pd.DataFrame] = {}

    def scanned(name: str) -> pd.DataFrame:
        if name not in known:
            raw = make_tree(name, folder / name, **({} if name == "genimage" else {"frames": 1}))
            given = (folder / "celebdf", folder / "faceforensics")
            files = [f"data.celebdf_list={given[0]}/List_of_testing_videos.txt", f"data.ffpp_splits={given[1]}/splits"]
            if name == "df40":
                scanned("celebdf"), scanned("faceforensics")
            known[name] = _reader(name, *(files if name == "df40" else ())).scan_all(raw).rows
        return known[name]

    return scanned


def _divided(rows: pd.DataFrame, protocol: str, **shares: float) -> Callable[[str], pd.DataFrame]:
    """`part("test")`: the rows of a split under a protocol."""
    divided = manifest.complete(PROTOCOLS[protocol](rows, {"val": 0.2, "test": 0.2, **shares}, 0).rows)
    return lambda split: divided[divided["split"] == split].reset_index(drop=True)


def test_the_official_split_of_celebdf_leaks_and_an_identity_disjoint_one_does_not(
    scans: Callable[[str], pd.DataFrame],
) -> None:
    part = _divided(scans("celebdf"), "official", val=0.0)
    found = _found(part("train"), part("test"))
    assert list(found) == ["source_clip", "identity"]
    assert "celebdf:id0_0001" in found["source_clip"].names
    assert found["source_clip"].rows[part("test")["path"] == "Celeb-synthesis/id0_id1_0001.mp4"].all()
    part = _divided(scans("celebdf"), "identity_disjoint")
    assert _found(part("train"), part("test")) == _found(part("train"), part("val")) == {}
    assert count(list(_found(part("train"), part("train")).values())) == len(part("train"))


@pytest.mark.parametrize(("one", "other"), [("celebdf", "celebdf_v1"), ("celebdf", "df40"), ("faceforensics", "df40")])
def test_sets_made_of_one_another_are_known_by_their_clips_and_people(
    one: str, other: str, scans: Callable[[str], pd.DataFrame]
) -> None:
    found = _found(scans(one), scans(other))
    assert list(found) == ["source_clip", "identity"]
    assert found["source_clip"].count > 0


@pytest.mark.parametrize("name", PEOPLE)
def test_published_sets_give_names_that_mean_the_same_everywhere(
    name: str, scans: Callable[[str], pd.DataFrame]
) -> None:
    rows = scans(name).reindex(columns=["dataset", "video", "source_clip", "target_identity", "source_identity"])
    assert rows["dataset"].eq(name).all()
    assert rows["video"].dropna().str.startswith(f"{name}/").all()
    named = pd.concat([rows[column].dropna() for column in ("source_clip", "target_identity", "source_identity")])
    named = named[~named.str.startswith(manifest.OF_ITSELF)]
    assert len(named) > 0
    assert named.str.match(r"[a-z_]+:.").all()


def test_the_sample_tests_on_no_photograph_that_it_trains_on(tmp_path: Path) -> None:
    data = Sample(
        root=str(tmp_path), forger=Forger(["splice"]), epoch_images=2, evaluation_images=8, crop=64, batch_size=2,
        workers=0, balance=["label"], max_unreadable=0.0, spec=PreprocessSpec(),
    ).prepare()  # fmt: skip
    training = data.split("train")
    known = remember(training, data.file_digests(training))
    assert len(known.file) == len(training) > 0
    for split in ("val", "test"):
        rows = data.split(split)
        assert len(rows) == 8
        assert overlaps(known, rows, data.file_digests(rows)) == []
    (found,) = overlaps(known, data.rows, data.file_digests(data.rows))
    assert (found.kind, found.count) == ("file", len(training))


def _folder(root: Path, **options: Any) -> DataModule:
    return Folder(
        root=str(root), batch_size=4, workers=0, balance=["label"], limit=None, val_share=0.2, test_share=0.2,
        split_seed=0, max_unreadable=0.0, spec=PreprocessSpec(), **options,
    ).prepare()  # fmt: skip


def test_videos_of_ones_own_that_the_split_cut_apart_are_found(
    make_folder: Callable[..., Path], tmp_path: Path
) -> None:
    images = make_folder(tmp_path / "images", groups=20, per_group=2, size=32, layout="csv")
    for grouped in (False, True):
        data = _folder(
            images, manifest="labels.csv", columns={"video": "original"}, group_by="original" if grouped else "file"
        )
        training, rows = data.split("train"), data.split("test")
        found = overlaps(remember(training, data.file_digests(training)), rows, data.file_digests(rows))
        assert [one.kind for one in found] == ([] if grouped else ["video"])
        assert all(name.startswith("images:o") for one in found for name in one.names)


def test_a_refusal_says_what_to_do(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    rows = _rows({"video": "v", "target_identity": "x:a"})
    own = _folder(make_folder(tmp_path / "images", groups=6, size=32))
    published = _reader("celebdf")
    files = overlaps(remember(rows, np.array([1])), rows, np.array([1]))
    names = list(_found(rows, rows).values())
    for found, data, advice in (
        (files, own, "choose split=test, or images that are new to it"),
        (files, published, "choose split=test, or images that are new to it"),
        (names, own, "(data.group_by), or rename the folder"),
        (names, published, "train with data.split=identity_disjoint (of several sets: data=mix)"),
    ):
        text = refusal(found, 1, data)
        assert text.startswith(f"{sentence(found, 1)}; ")
        assert text.endswith(", or allow_leak=true for a score that means nothing for new images.")
        assert advice in text


def test_a_picture_that_nobody_names_is_known_by_its_file_alone() -> None:
    # Two folders of pictures, each numbered from 0.
    same = _rows({"source_clip": "picture x/real/0000.png"}, dataset="x")
    assert _found(same, same) == {}
    named = _rows({"source_clip": "x:clip"}, dataset="x")
    assert set(_found(named, named)) == {"source_clip"}
