import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fakedet.data.benchmarks.folder import Folder
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError

MakeFolder = Callable[..., Path]
OPTIONS: dict[str, Any] = {
    "batch_size": 4, "workers": 0, "balance": ["label"], "limit": None, "val_share": 0.25, "test_share": 0.25,
    "split_seed": 0, "max_unreadable": 0.01, "spec": PreprocessSpec(size=32),
}  # fmt: skip


def _rows(root: Path, **options: Any) -> pd.DataFrame:
    return Folder(root=str(root), **{**OPTIONS, **options}).prepare().rows


def _table(root: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    change(pd.read_csv(root / "labels.csv", dtype=str)).to_csv(root / "labels.csv", index=False)


@pytest.mark.parametrize("layout", ["real_fake", "0_real_1_fake", "nature_ai"])
@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_class_folders_of_any_name_and_case(
    make_folder: MakeFolder, tmp_path: Path, layout: str, case: Callable[[str], str]
) -> None:
    root = make_folder(tmp_path / "own", layout=layout, size=8)
    for folder in list(root.iterdir()):
        folder.rename(root / f"renamed_{folder.name}").rename(root / case(folder.name))
    rows = _rows(root)
    assert len(rows) == 24
    for row in rows.itertuples():
        assert row.label == int(str(row.path).split("/")[0].lower() in ("fake", "1_fake", "ai"))
    assert set(rows["split"]) == {"train", "val", "test"}
    assert set(rows["dataset"]) == {"own"}
    assert (rows["group"] == rows["path"]).all()
    assert set(rows["method"][rows["label"] == 0]) == {"real"}
    assert rows["method"][rows["label"] == 1].isna().all()


def test_sub_folders_of_the_fakes_name_the_method(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path, size=8)
    for number, file in enumerate(sorted((root / "fake").glob("*.jpg"))):
        folder = root / "fake" / ("StyleGAN", "swap/2021")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        file.rename(folder / file.name)
    fakes = _rows(root).query("label == 1")
    assert fakes["method"].value_counts().to_dict() == {"StyleGAN": 6, "swap": 6}


def test_files_of_all_formats_are_found_and_others_are_not(tmp_path: Path) -> None:
    for folder in ("real", "fake"):
        (tmp_path / folder / "deep" / "er").mkdir(parents=True)
        for name in ("a.JPG", "b.jpeg", "c.PNG", "d.webp", "e.bmp", "f.tif", "deep/er/g.Tiff", "notes.txt", "h.gif"):
            (tmp_path / folder / name).touch()
    assert len(_rows(tmp_path)) == 14


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "VALID", "testing")])
def test_split_folders_are_honoured(make_folder: MakeFolder, tmp_path: Path, names: tuple[str, ...]) -> None:
    root = make_folder(tmp_path / "own", layout="splits", size=8)
    for split, name in zip(("train", "val", "test"), names, strict=True):
        (root / split).rename(root / name)
    data = Folder(root=str(root), **OPTIONS).prepare()
    assert data.has_own_splits
    for split, name in zip(("train", "val", "test"), names, strict=True):
        paths = data.split(split)["path"]
        assert len(paths) == len(list((root / name).rglob("*.jpg"))) > 0
        assert paths.str.startswith(f"{name}/").all()


def test_a_missing_validation_split_is_cut_from_training(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path, layout="splits", groups=20, size=8)
    shutil.rmtree(root / "val")
    rows = _rows(root)
    assert rows["path"][rows["split"] == "val"].str.startswith("train/").all()
    assert rows["split"].value_counts().to_dict() == {"train": 18, "test": 8, "val": 6}


def test_a_folder_without_splits_says_so(make_folder: MakeFolder, tmp_path: Path) -> None:
    data = Folder(root=str(make_folder(tmp_path, size=8)), **OPTIONS).prepare()
    assert not data.has_own_splits


def test_splits_do_not_depend_on_where_the_folder_lies(make_folder: MakeFolder, tmp_path: Path) -> None:
    first = _rows(make_folder(tmp_path / "a", size=8))
    second = _rows(make_folder(tmp_path / "b" / "a", size=8))
    pd.testing.assert_frame_equal(first, second)


def test_a_table_is_grouped_by_a_column(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path, layout="csv", groups=12, per_group=2, size=8)
    rows = _rows(root, group_by="original")
    assert len(rows) == 48
    assert set(rows["group"]) == {f"o{number:02d}" for number in range(12)}
    assert len(rows.groupby(["group", "split"])) == rows["group"].nunique()
    assert set(rows["split"]) == {"train", "val", "test"}
    assert set(rows["method"]) == {"real", "swap", "paint"}
    assert rows["label"].sum() == 24


@pytest.mark.parametrize("path", ["path", "file", "filename", "image"])
@pytest.mark.parametrize("label", ["label", "class"])
def test_columns_have_their_usual_names(make_folder: MakeFolder, tmp_path: Path, path: str, label: str) -> None:
    root = make_folder(tmp_path, layout="csv", size=8)
    _table(root, lambda table: table.rename(columns={"file": path, "label": label}))
    assert len(_rows(root, manifest="labels.csv")) == 24


def test_columns_can_be_named(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path, layout="csv", size=8)
    _table(root, lambda table: table.rename(columns={"file": "img", "label": "is_fake", "original": "source"}))
    columns = {"path": "img", "label": "is_fake", "source_clip": "source"}
    rows = _rows(root, manifest="labels.csv", columns=columns)
    assert rows["label"].sum() == 12
    assert set(rows["source_clip"]) == {f"o{number:02d}" for number in range(12)}
    with pytest.raises(UserError, match="has no column imgs; it has img, is_fake"):
        _rows(root, manifest="labels.csv", columns={**columns, "path": "imgs"})
    with pytest.raises(UserError, match=r"has no column path or file .* but img, is_fake, source, method"):
        _rows(root, manifest="labels.csv")
    with pytest.raises(UserError, match=r"a manifest has no labels .did you mean label\?"):
        _rows(root, manifest="labels.csv", columns={"labels": "is_fake"})


def test_parquet_tables_keep_their_types(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path, layout="csv", size=8)
    table = pd.read_csv(root / "labels.csv").assign(frame=range(24), split="train")
    table.loc[table["original"] == "o03", "split"] = "test"
    table.to_parquet(root / "sub.parquet")
    rows = _rows(root, manifest="sub.parquet", group_by="original")
    assert rows["frame"].sum() == sum(range(24))
    assert set(rows["group"][rows["split"] == "test"]) == {"o03"}


def test_numbers_of_a_csv_are_read_as_numbers(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path, layout="csv", size=8)
    _table(root, lambda table: table.assign(width="8", face_score="0.5", frame=[""] * 4 + ["7"] * 20))
    rows = _rows(root, manifest="labels.csv")
    assert rows["width"].sum() == 24 * 8
    assert rows["face_score"].sum() == 12
    assert rows["frame"].isna().sum() == 4


@pytest.mark.parametrize(
    ("real", "fake"), [("real", "fake"), ("REAL", " Fake "), ("0", "1"), ("0.0", "1.0"), ("nature", "ai")]
)
def test_labels_are_words_or_numbers(make_folder: MakeFolder, tmp_path: Path, real: str, fake: str) -> None:
    root = make_folder(tmp_path, layout="csv", size=8)
    _table(root, lambda table: table.assign(label=table["label"].map({"0": real, "1": fake})))
    rows = _rows(root, manifest="labels.csv")
    assert rows["path"][rows["label"] == 1].str.endswith("_1.jpg").all()
    assert rows["label"].sum() == 12


@pytest.mark.parametrize("strange", ["2", "genuine", "", "-1"])
def test_a_strange_label_is_named(make_folder: MakeFolder, tmp_path: Path, strange: str) -> None:
    root = make_folder(tmp_path, layout="csv", size=8)
    _table(root, lambda table: table.assign(label=[strange, *table["label"][1:]]))
    with pytest.raises(UserError, match=r"has the label .*; use real and fake, or 0 and 1 with 1 = fake"):
        _rows(root, manifest="labels.csv")


def test_splits_of_a_table_are_honoured_and_a_strange_one_is_named(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path, layout="csv", size=8)
    given = ["train"] * 12 + [" Validation"] * 6 + ["TEST"] * 6
    _table(root, lambda table: table.assign(split=given))
    rows = _rows(root, group_by="original")
    assert rows["split"].value_counts().to_dict() == {"train": 12, "val": 6, "test": 6}
    _table(root, lambda table: table.assign(split=["dev", *given[1:]]))
    with pytest.raises(UserError, match="has the split 'dev'; use train, val and test"):
        _rows(root, manifest="labels.csv")


def test_every_image_of_a_folder_is_a_group(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path, size=8)
    for label in ("real", "fake"):
        for number, file in enumerate(sorted((root / label).glob("*.jpg"))):
            folder = root / label / f"clip{number % 4}"
            folder.mkdir(exist_ok=True)
            file.rename(folder / file.name)
    rows = _rows(root, group_by="folder")
    assert set(rows["group"]) == {f"{label}/clip{number}" for label in ("real", "fake") for number in range(4)}
    assert len(rows.groupby(["group", "split"])) == rows["group"].nunique()


@pytest.mark.parametrize("path", ["../secret.jpg", "images/../../secret.jpg", "/etc/passwd"])
def test_paths_that_leave_the_folder_are_refused(make_folder: MakeFolder, tmp_path: Path, path: str) -> None:
    root = make_folder(tmp_path / "own", layout="csv", size=8)
    (tmp_path / "secret.jpg").touch()
    _table(root, lambda table: table.assign(file=[path, *table["file"][1:]]))
    with pytest.raises(UserError, match="which does not lie below"):
        _rows(root, manifest="labels.csv")


def test_full_paths_inside_the_folder_are_understood(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path / "own", layout="csv", size=8)
    _table(root, lambda table: table.assign(file=[str(root.resolve() / path) for path in table["file"]]))
    assert _rows(root, manifest="labels.csv")["path"].str.startswith("images/").all()


def test_missing_files_of_a_table_are_counted(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path, layout="csv", size=8)
    (root / "images" / "g00_0_0.jpg").unlink()
    with pytest.raises(UserError, match=r"1 of 24 files .* the first is images/g00_0_0.jpg"):
        _rows(root, manifest="labels.csv")
    assert len(_rows(root, manifest="labels.csv", max_unreadable=0.1)) == 24  # left to the quarantine


def test_tables_that_cannot_be_used(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path, layout="csv", size=8)
    with pytest.raises(UserError, match=r"none.csv is not a CSV or Parquet file"):
        _rows(root, manifest="none.csv")
    with pytest.raises(UserError, match="has no column orginal; it has file, label, original, method"):
        _rows(root, group_by="orginal")
    (root / "second.csv").write_text("file,label\n")
    with pytest.raises(UserError, match=r"name it with data.manifest .*labels.csv, second.csv"):
        _rows(root, group_by="original")
    with pytest.raises(UserError, match="has no rows"):
        _rows(root, manifest="second.csv")
    for name, data in (("second.csv", b""), ("second.csv", b'a,b\n"1,2\n3'), ("bad.parquet", b"no")):
        (root / name).write_bytes(data)
        with pytest.raises(UserError, match=rf"{name} (cannot be read as a table|has no column)"):
            _rows(root, manifest=name)


@pytest.mark.parametrize(("column", "message"), [("file", "1 rows of .* name no file"), ("original", "have no group")])
def test_empty_cells_are_refused(make_folder: MakeFolder, tmp_path: Path, column: str, message: str) -> None:
    root = make_folder(tmp_path, layout="csv", size=8)
    _table(root, lambda table: table.assign(**{column: [None, *table[column][1:]]}))
    with pytest.raises(UserError, match=message):
        _rows(root, group_by="original", limit=8)


def test_a_file_that_stands_twice_is_named(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path, layout="csv", size=8)
    _table(root, lambda table: pd.concat([table, table.iloc[[0]]]))
    with pytest.raises(UserError, match=r"a path that stands twice; the first is images/g00_0_0.jpg"):
        _rows(root, group_by="original")


def test_folders_that_cannot_be_used(make_folder: MakeFolder, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        _rows(tmp_path / "none")
    with pytest.raises(UserError, match=r"has no class folders .real/fake, 0_real/1_fake, nature/ai.\.$"):
        _rows(tmp_path)
    root = make_folder(tmp_path / "a" / "b", size=8)
    with pytest.raises(UserError, match=rf"has no class folders .*did you mean data.root={root}\?"):
        _rows(tmp_path / "a")
    shutil.rmtree(root / "fake")
    with pytest.raises(UserError, match="holds no fake image: a detector needs both classes"):
        _rows(root)
    (root / "fake").mkdir()
    with pytest.raises(UserError, match=r"fake holds no image .\.jpg, "):
        _rows(root)


def test_class_folders_beside_split_folders_are_refused(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(make_folder(tmp_path, size=8) / "test", size=8).parent
    with pytest.raises(UserError, match="class folders beside split folders"):
        _rows(root)


def test_linked_folders_are_looked_into_and_circles_come_to_an_end(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path / "own", groups=8, size=8)
    elsewhere = tmp_path / "elsewhere" / "stylegan"
    shutil.copytree(root / "fake", elsewhere)
    (root / "fake" / "linked").symlink_to(elsewhere, target_is_directory=True)
    (elsewhere / "circle").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    rows = _rows(root)
    assert (rows["method"] == "linked").sum() == len(list(elsewhere.glob("*.*")))
    assert not rows["path"].str.contains("circle").any()


def test_names_that_no_table_can_hold_are_refused(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path, size=8)
    strange = root / "real" / os.fsdecode(b"caf\xe9.jpg")
    try:
        shutil.copy(next((root / "real").iterdir()), strange)
    except OSError:
        pytest.skip("this file system takes no such name")
    with pytest.raises(UserError, match=r"real/caf\\xe9.jpg is not UTF-8: rename it"):
        _rows(root)


def test_a_table_may_name_data_sets(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path / "own", layout="csv", size=8)
    _table(root, lambda table: table.assign(dataset=["ffpp"] * 10 + [""] * 14))
    assert _rows(root, manifest="labels.csv")["dataset"].value_counts().to_dict() == {"own": 14, "ffpp": 10}


def test_full_paths_may_lead_over_a_link(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path / "own", layout="csv", size=8)
    link = tmp_path / "link"
    link.symlink_to(root, target_is_directory=True)
    _table(root, lambda table: table.assign(file=[str(link / path) for path in table["file"]]))
    assert _rows(link, manifest="labels.csv")["path"].str.startswith("images/").all()


def test_numbers_with_gaps_are_whole_and_others_are_named(make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(tmp_path, layout="csv", size=8)
    _table(root, lambda table: table.assign(frame=[""] * 4 + ["7.0"] * 20))
    assert _rows(root, manifest="labels.csv")["frame"].sum() == 140
    for column, value, kind in (("frame", "7.5", "whole number"), ("face_score", "high", "number")):
        changed = pd.read_csv(root / "labels.csv", dtype=str).assign(**{"frame": "1", column: value})
        changed.to_csv(root / "labels.csv", index=False)
        with pytest.raises(UserError, match=f"24 rows have a {column} that is no {kind}: .* has {value}"):
            _rows(root, manifest="labels.csv")


@pytest.mark.parametrize("column", ["label", "method", "group"])
def test_frames_of_a_video_that_differ_are_refused_before_the_training(
    make_folder: MakeFolder, tmp_path: Path, column: str
) -> None:
    root = make_folder(tmp_path, layout="csv", size=8)
    name = {"group": "original"}.get(column, column)
    two = pd.read_csv(root / "labels.csv").drop_duplicates(name)["file"].iloc[:2]
    _table(root, lambda table: table.assign(video=table["file"].where(~table["file"].isin(two), "003")))
    data = Folder(root=str(root), manifest="labels.csv", group_by="original", **OPTIONS).prepare()
    with pytest.raises(UserError, match=f"Video 003 has more than one {'label' if column == 'method' else column}"):
        data.check_trainable()


def test_a_mask_outside_of_the_folder_is_refused(make_folder: Callable[..., Path], tmp_path: Path) -> None:
    root = make_folder(tmp_path / "images", layout="csv")
    table = pd.read_csv(root / "labels.csv").assign(mask="../secret.png")
    table.to_csv(root / "labels.csv", index=False)
    with pytest.raises(UserError, match="which does not lie below"):
        _rows(root, manifest="labels.csv")


def test_files_that_are_no_pictures_are_counted(
    make_folder: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = make_folder(tmp_path / "images")
    for number in range(3):
        (root / "fake" / f"{number}.avif").touch()
    (root / "fake" / "circle").symlink_to("circle")
    _rows(root)
    assert "3 files are left out; the first is fake/0.avif: it is neither a picture nor a video" in caplog.text
