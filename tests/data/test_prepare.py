"""Preparing through the real command's function, on miniature downloads in the real layouts."""

import csv
import errno
import hashlib
import json
import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import films
import numpy as np
import pandas as pd
import pytest
from omegaconf import DictConfig
from runs import prepare_here, start

from fakedet.augment import Pipeline
from fakedet.data import coverage, manifest, prepared
from fakedet.data.benchmarks.faceforensics import METHODS
from fakedet.data.extract import NO_MASK, Extraction, Job, extract
from fakedet.data.miniatures import make_tree
from fakedet.data.miniatures.actors import film, generator
from fakedet.data.miniatures.files import write_bytes, write_picture
from fakedet.data.miniatures.forging import forge
from fakedet.data.miniatures.image_sets import photograph
from fakedet.data.workforce import CRASH
from fakedet.detector.container import VideoError, open_capture
from fakedet.detector.face import crop
from fakedet.detector.finders import open_finder
from fakedet.detector.follow import follow
from fakedet.detector.image import decode, preprocess
from fakedet.detector.spec import FaceSpec, PreprocessSpec
from fakedet.detector.video import Sampling, read
from fakedet.errors import UserError
from fakedet.instantiation import instantiate

Compose = Callable[..., DictConfig]
Trees = Callable[[str], Path]


@pytest.fixture(scope="session")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Trees:
    """`trees("celebdf")`: the miniature download, made once."""
    made: dict[str, Path] = {}

    def tree(name: str) -> Path:
        if name not in made:
            made[name] = make_tree(name, tmp_path_factory.mktemp("trees") / name)
        return made[name]

    return tree


@pytest.fixture(scope="session")
def whole(trees: Trees, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Celeb-DF prepared once, in one go; a test that changes it copies it."""
    return prepare_here("celebdf", trees("celebdf"), tmp_path_factory.mktemp("whole") / "celebdf")


def _files(root: Path) -> dict[str, str]:
    return {
        file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(root.rglob("*"))
        if file.is_file()
    }


def _quarantine(root: Path) -> dict[str, str]:
    with (root / prepared.QUARANTINE).open(newline="") as stream:
        return {row["path"]: row["reason"] for row in csv.DictReader(stream)}


def test_every_crop_of_a_download_stands_in_the_manifest(trees: Trees, whole: Path) -> None:
    raw = trees("celebdf")
    rows = manifest.read(whole / prepared.MANIFEST, manifest.PREPARED)
    videos = {f"celebdf/{file.relative_to(raw).as_posix()}" for file in raw.rglob("*.mp4")}
    assert set(rows["video"]) == videos
    assert len(rows) == 3 * len(videos)
    for row in rows.to_dict("records"):
        picture = decode(whole / row["path"])
        assert picture.shape == (row["height"], row["width"], 3)
        assert row["width"] == row["height"]
        assert hashlib.sha256((whole / row["path"]).read_bytes()).hexdigest() == row["sha256"]
    assert rows["mask"].isna().all()
    assert set(rows.loc[rows["label"] == 0, "method"]) == {"real"}
    assert {Path(path).suffix for path in rows["path"]} == {".png"}
    counted = coverage.read(whole)
    assert counted is not None
    assert int(counted["faces"].sum()) == len(rows)
    assert "data:image/png" in (whole / "coverage.html").read_text()


def test_crops_fed_to_a_network_are_those_of_the_original_frame(trees: Trees, whole: Path) -> None:
    rows = manifest.read(whole / prepared.MANIFEST, manifest.PREPARED)
    record = prepared.Prepared.read(whole)
    finder = open_finder("mtcnn")
    assert record.face is not None
    assert record.face.version == finder.version
    video = str(rows["video"].iloc[0])
    frames = list(read(trees("celebdf") / video.removeprefix("celebdf/"), Sampling.parse("3")))
    faces = follow([finder.find(image) for _, image in frames])
    spec = PreprocessSpec(size=64)
    crops = rows[rows["video"] == video].to_dict("records")
    for (index, image), face, row in zip(frames, faces, crops, strict=True):
        assert face is not None
        assert row["frame"] == index
        expected = preprocess(crop(image, face, record.face), spec)
        np.testing.assert_array_equal(preprocess(decode(whole / row["path"]), spec), expected)


def test_a_killed_run_goes_on_and_ends_byte_for_byte_alike(trees: Trees, whole: Path, tmp_path: Path) -> None:
    raw, root = trees("celebdf"), tmp_path / "killed"
    command = [f"data.raw={raw}", f"data.root={root}", "data=celebdf", "frames=3", "workers=2"]
    run = start("prepare", *command, folder=tmp_path)
    journal = root / prepared.JOURNAL
    deadline = time.monotonic() + 120
    while not journal.is_file() or len(journal.read_text().splitlines()) < 4:
        assert run.poll() is None, run.stdout.read() if run.stdout else ""
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert not (root / prepared.MANIFEST).is_file()
    assert len(journal.read_text().splitlines()) >= 4
    prepare_here("celebdf", raw, root)
    assert _files(root) == _files(whole)


def test_a_second_run_has_nothing_to_do_and_changes_nothing(
    trees: Trees, whole: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = _files(whole)
    caplog.set_level("INFO")
    prepare_here("celebdf", trees("celebdf"), whole)
    count = len(list(trees("celebdf").rglob("*.mp4")))
    assert f"{count} of {count} files are done already" in caplog.text
    assert _files(whole) == before


def test_what_is_downloaded_later_is_added(trees: Trees, whole: Path, tmp_path: Path) -> None:
    raw, root = shutil.copytree(trees("celebdf"), tmp_path / "growing"), tmp_path / "prepared"
    video = sorted((raw / "Celeb-synthesis").rglob("*.mp4"))[0]
    data = video.read_bytes()
    video.write_bytes(data[: len(data) // 2])
    prepare_here("celebdf", raw, root)
    assert video.name in " ".join(_quarantine(root))
    video.write_bytes(data)
    prepare_here("celebdf", raw, root)
    assert _quarantine(root) == {}
    assert _files(root) == _files(whole)


def test_what_gives_no_crop_is_named_with_its_reason(
    trees: Trees, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = shutil.copytree(trees("celebdf"), tmp_path / "spoiled")
    empty, faceless = sorted((raw / "Celeb-real").rglob("*.mp4"))[:2]
    empty.write_bytes(b"")
    writer = cv2.VideoWriter(str(faceless), cv2.VideoWriter.fourcc(*"mp4v"), 25, (160, 120))
    for _ in range(6):
        writer.write(np.full((120, 160, 3), 127, np.uint8))
    writer.release()
    (empty.parent / "holiday.mp4").write_bytes(b"x")
    root = prepare_here("celebdf", raw, tmp_path / "prepared")
    named = {Path(path).name: reason for path, reason in _quarantine(root).items()}
    assert set(named) == {empty.name, faceless.name, "holiday.mp4"}
    assert named[faceless.name] == "no face found"
    assert "warning: Faces were found in" in capsys.readouterr().out


def test_masks_are_cut_at_the_same_place(trees: Trees, tmp_path: Path) -> None:
    root = prepare_here("faceforensics", trees("faceforensics"), tmp_path / "prepared", "frames=1")
    rows = manifest.read(root / prepared.MANIFEST, manifest.PREPARED)
    masked = rows[rows["mask"].notna()]
    assert set(masked["method"]) >= {"Deepfakes", "FaceSwap"}
    assert rows.loc[rows["label"] == 0, "mask"].isna().all()
    for row in masked.to_dict("records"):
        mask = decode(root / row["mask"])[..., 0]
        assert mask.shape == (row["height"], row["width"])
        # What was forged lies in the face, so in the middle half of the crop.
        down, across = np.nonzero(mask > 127)
        assert len(down) > 0
        assert abs(down.mean() / row["height"] - 0.5) < 0.25
        assert abs(across.mean() / row["width"] - 0.5) < 0.25


def test_image_sets_keep_their_bytes(trees: Trees, tmp_path: Path) -> None:
    raw = trees("genimage")
    root = prepare_here("genimage", raw, tmp_path / "prepared")
    rows = manifest.read(root / prepared.MANIFEST, manifest.PREPARED)
    assert len(rows) == 72
    for path in rows["path"]:
        assert (root / path).read_bytes() == (raw / path.removeprefix("crops/")).read_bytes()
    assert prepared.Prepared.read(root).face is None


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A portrait and a landscape of either class, `labels.csv` with them, and the mask of the forged portrait."""
    root = tmp_path_factory.mktemp("pictures") / "own"
    clip = film("own/somebody", "own", 1, 0)
    forged, masks = forge(clip, "own/somebody", "own/another", "Deepfakes", 0)
    write_picture(root / "real/face.jpg", clip.frames[0])
    write_picture(root / "fake/face.jpg", forged[0])
    for kind in ("real", "fake"):
        write_picture(root / kind / "landscape.jpg", photograph(generator(0, kind), 160))
    write_bytes(root / "masks/face.png", cv2.imencode(".png", masks[0])[1].tobytes())
    lines = [f"{kind}/{name}.jpg,{kind},{'masks/face.png' if (kind, name) == ('fake', 'face') else ''}"
             for kind in ("real", "fake") for name in ("face", "landscape")]  # fmt: skip
    (root / "labels.csv").write_text("\n".join(["file,label,mask", *lines]))
    return root


VIEWS = {
    "never": {"face.jpg.png"},
    "without_face": {"face.jpg.png", "landscape.jpg"},
    "always": {"face.jpg", "face.jpg.png", "landscape.jpg"},
}


@pytest.mark.parametrize("kept", VIEWS)
def test_pictures_are_kept_whole_where_it_is_wanted(pictures: Path, tmp_path: Path, kept: str) -> None:
    root = prepare_here(
        "folder", pictures, tmp_path / "prepared", f"whole={kept}", "data.manifest=labels.csv", "workers=1"
    )
    rows = manifest.read(root / prepared.MANIFEST, manifest.PREPARED).set_index("path")
    assert set(rows.index) == {f"crops/{kind}/{name}" for kind in ("real", "fake") for name in VIEWS[kept]}
    for path, row in rows.iterrows():
        picture = decode(root / str(path))
        assert picture.shape == (row["height"], row["width"], 3)
        assert pd.isna(row["face_box"]) == str(path).endswith(".jpg")
        if str(path).endswith(".jpg"):
            assert (root / str(path)).read_bytes() == (pictures / str(path).removeprefix("crops/")).read_bytes()
    masks = rows["mask"].dropna()
    assert set(masks.index) == {f"crops/fake/{name}" for name in VIEWS[kept] if name.startswith("face")}
    for path, mask in masks.items():
        assert decode(root / mask).shape[:2] == (rows["height"][str(path)], rows["width"][str(path)])
        assert decode(root / mask).max() == 255
    assert prepared.Prepared.read(root).whole == kept
    # Only what is not kept at all is missed; a face was found in half of the pictures, whatever is kept.
    missed = manifest.read(root / prepared.MISSED, manifest.PREPARED)
    lost = {f"{kind}/landscape.jpg" for kind in ("real", "fake")} if kept == "never" else set()
    assert set(missed["path"]) == lost
    assert set(_quarantine(root)) == lost
    counted = coverage.read(root)
    assert counted is not None
    assert coverage.shares(counted).to_dict() == {0: 0.5, 1: 0.5}
    assert ("pictures kept whole" in (root / "coverage.html").read_text()) and kept in (
        root / "coverage.html"
    ).read_text()


def test_both_views_of_a_picture_have_one_source(tmp_path: Path, compose: Compose) -> None:
    raw = tmp_path / "raw"
    for number in range(4):
        clip = film(f"own/{number}", "own", 1, 0)
        forged, _ = forge(clip, f"own/{number}", "own/another", "Deepfakes", 0)
        write_picture(raw / f"swapper/0_real/{number}.png", clip.frames[0])
        write_picture(raw / f"swapper/1_fake/{number}.png", forged[0])
    chosen = ("faces=true", "picture_format=webp", "workers=1")
    root = prepare_here("cnndetection", raw, tmp_path / "prepared", "whole=always", *chosen)
    shares = ("data.val_share=0.25", "data.test_share=0.25")
    config = compose("train", "data=cnndetection", f"data.root={root}", *shares)
    rows = instantiate(config.data, spec=PreprocessSpec()).prepare().rows
    assert len(rows) == 16
    assert set(rows["source_clip"]) == {
        f"picture cnndetection/{file.relative_to(raw).as_posix()}" for file in raw.rglob("*.png")
    }
    assert (rows.groupby("source_clip").size() == 2).all()
    assert rows.groupby("source_clip")["split"].nunique().max() == 1
    assert set(rows["split"]) == {"train", "val", "test"}
    with pytest.raises(UserError, match=r"prepared with whole=always, not without_face"):
        prepare_here("cnndetection", raw, root, "whole=without_face", *chosen)


def test_what_cannot_be_kept_whole_is_said_before_the_work(pictures: Path, trees: Trees, tmp_path: Path) -> None:
    root, raw = tmp_path / "prepared", shutil.copytree(pictures, tmp_path / "own")
    _refused(r"whole=alway .did you mean always.. is not one of never, without_face, always", raw, root, "whole=alway")
    _refused(r"whole=always is for pictures, and .*\.mp4 is a video", trees("celebdf"), root, "whole=always")
    with pytest.raises(UserError, match=r"whole=always is for pictures whose faces are cut out, and faces=false"):
        prepare_here("folder", raw, root, "whole=always", "faces=false")
    shutil.copyfile(raw / "real/face.jpg", raw / "real/face.jpg.png")
    with pytest.raises(UserError, match=r"real/face\.jpg\.png is called like the crop of another picture: rename it"):
        prepare_here("folder", raw, root, "whole=without_face")
    assert not root.exists()


def test_a_prepared_folder_may_be_moved(whole: Path, compose: Compose, tmp_path: Path) -> None:
    root = shutil.copytree(whole, tmp_path / "moved")
    config = compose("train", "data=celebdf", f"data.root={root}")
    data = instantiate(config.data, spec=PreprocessSpec()).prepare()
    assert data.crops == prepared.Prepared.read(whole).face
    assert all((root / path).is_file() for path in data.rows["path"])


@pytest.mark.parametrize("name", ["faceforensics", "dfd", "dfdc", "dfdc_preview"])
def test_every_video_set_can_be_prepared_and_split(name: str, trees: Trees, compose: Compose, tmp_path: Path) -> None:
    root = prepare_here(name, trees(name), tmp_path / "prepared", "frames=1")
    for protocol in ("official", "identity_disjoint"):
        shares = ["data.val_share=0.25", "data.test_share=0.25"]
        config = compose("train", f"data={name}", f"data.root={root}", f"data.split={protocol}", *shares)
        rows: pd.DataFrame = instantiate(config.data, spec=PreprocessSpec()).prepare().rows
        assert set(rows["label"]) == {0, 1}
        assert rows.groupby("video")["split"].nunique().max() == 1


def _refused(message: str, raw: Path, root: Path, *overrides: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        prepare_here("celebdf", raw, root, *overrides)
    assert "\n" not in str(error.value)


def test_what_cannot_be_prepared_is_said_in_a_sentence(trees: Trees, tmp_path: Path) -> None:
    raw, root = trees("celebdf"), tmp_path / "prepared"
    _refused("did you mean ", raw.parent, root)
    _refused("is not a folder", tmp_path / "nowhere", root)
    _refused("lies in the download", raw, raw / "prepared")
    _refused("did you mean png", raw, root, "picture_format=pngg")
    _refused("did you mean mtcnn", raw, root, "face.finder=mtcn")
    _refused("frames=", raw, root, "frames=some")
    _refused("workers=0", raw, root, "workers=0")
    assert not root.exists()


def test_a_full_disk_loses_nothing(trees: Trees, whole: Path, tmp_path: Path) -> None:
    raw, root = trees("celebdf"), tmp_path / "prepared"
    target = root / next(name for name in _files(whole) if name.startswith("crops/"))
    target.parent.mkdir(parents=True)
    target.symlink_to("/dev/full")
    _refused("is full; make room and run the same command again", raw, root)
    target.unlink()
    assert _files(prepare_here("celebdf", raw, root)) == _files(whole)


def test_other_settings_in_the_same_folder_are_refused(trees: Trees, whole: Path) -> None:
    _refused(r"face.margin=1.3, not 1.0", trees("celebdf"), whole, "face.margin=1.0")


def test_a_folder_that_is_not_prepared_names_the_command(compose: Compose, tmp_path: Path) -> None:
    config = compose("train", "data=celebdf", f"data.root={tmp_path}")
    with pytest.raises(UserError, match=r"python src/prepare.py data=celebdf data.raw=<the download>"):
        instantiate(config.data, spec=PreprocessSpec()).prepare()


def test_the_command_prints_where_everything_lies(trees: Trees, tmp_path: Path) -> None:
    run = start("prepare", "data=dfdc", f"data.raw={trees('dfdc')}", "data.root=out", "frames=1", folder=tmp_path)
    output, _ = run.communicate(timeout=300)
    assert run.returncode == 0, output
    assert "Manifest: out/manifest.parquet" in output
    assert "python src/audit.py data=dfdc data.root=out" in output


def test_a_limit_is_not_for_preparing(trees: Trees, tmp_path: Path) -> None:
    _refused(r"data\.limit is for training", trees("celebdf"), tmp_path / "prepared", "data.limit=10")


def test_a_prepared_folder_gives_what_is_asked_of_it(trees: Trees, compose: Compose, tmp_path: Path) -> None:
    root = prepare_here("faceforensics", trees("faceforensics"), tmp_path / "prepared", "frames=1")

    def rows(*overrides: str) -> pd.DataFrame:
        config = compose("train", "data=faceforensics", f"data.root={root}", *overrides)
        found: pd.DataFrame = instantiate(config.data, spec=PreprocessSpec(face=FaceSpec())).index()
        return found

    assert set(rows()["method"]) == {"real", *METHODS}
    assert set(rows("data.methods=[Deepfakes]")["method"]) == {"real", "Deepfakes"}
    with pytest.raises(UserError, match=rf"{root} holds no c40 but c23: set data\.compression=c23"):
        rows("data.compression=c40")
    table = manifest.read(root / prepared.MANIFEST, manifest.PREPARED)
    some = table[table["method"] != "NeuralTextures"].assign(compression="c40")
    manifest.write_table(pd.concat([some.assign(path="c40/" + some["path"]), table]), root / prepared.MANIFEST)
    assert set(rows()["compression"]) == {"c23"}
    assert len(rows("data.compression=null")) == len(some) + len(table)
    with pytest.raises(UserError, match="holds no crop of NeuralTextures: leave it out"):
        rows("data.compression=c40", "data.methods=[NeuralTextures]")


def test_a_wrong_argument_ends_with_a_sentence(tmp_path: Path) -> None:
    run = start("prepare", "data=celebdf", "data.raw=/nowhere", "data.root=out", folder=tmp_path)
    output, _ = run.communicate(timeout=300)
    assert run.returncode == 1
    assert output.strip().splitlines()[-1] == "error: data.raw=/nowhere is not a folder."


def test_masks_that_came_later_are_cut_too(trees: Trees, tmp_path: Path) -> None:
    raw, root = shutil.copytree(trees("faceforensics"), tmp_path / "growing"), tmp_path / "prepared"
    chosen = ("frames=1", "data.methods=[Deepfakes]")
    masks = [folder for folder in raw.rglob("masks") if folder.is_dir() and "Deepfakes" in str(folder)]
    assert masks
    for number, folder in enumerate(masks):
        folder.rename(tmp_path / f"masks{number}")
    prepare_here("faceforensics", raw, root, *chosen)
    assert manifest.read(root / prepared.MANIFEST, manifest.PREPARED)["mask"].isna().all()
    for number, folder in enumerate(masks):
        (tmp_path / f"masks{number}").rename(folder)
    prepare_here("faceforensics", raw, root, *chosen)
    rows = manifest.read(root / prepared.MANIFEST, manifest.PREPARED)
    assert rows["mask"].notna().equals(rows["label"] == 1)


def test_what_crashed_once_is_tried_again(trees: Trees, whole: Path, tmp_path: Path) -> None:
    root = shutil.copytree(whole, tmp_path / "prepared")
    journal = root / prepared.JOURNAL
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    lines[1] |= {"error": CRASH, "crops": [], "lost": [], "frames": 0, "decoded": 0}
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    prepare_here("celebdf", trees("celebdf"), root)
    assert _files(root) == _files(whole)


def test_what_could_not_be_read_is_named_and_tried_again(trees: Trees, whole: Path, tmp_path: Path) -> None:
    root = shutil.copytree(whole, tmp_path / "prepared")
    journal = root / prepared.JOURNAL
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    reason = "cannot be read (Permission denied)"
    lines[1] |= {"error": reason, "crops": [], "lost": [], "frames": 0, "decoded": 0}
    lines[2]["lost"] += [[None, f"{NO_MASK} masks/a.png {reason}"]]
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))
    prepare_here("celebdf", trees("celebdf"), root)
    assert _files(root) == _files(whole)


def test_a_video_that_cannot_be_read_costs_itself_alone(
    trees: Trees, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = next(trees("celebdf").rglob("*.mp4"))
    opened = Path.open

    def refuse(path: Path, *rest: Any, **options: Any) -> Any:
        if path.name == file.name:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, *rest, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(VideoError, match=r"^cannot be read \(Permission denied\)$"):
        open_capture(file)


def test_pictures_behind_links_are_kept_themselves(trees: Trees, tmp_path: Path) -> None:
    raw = shutil.copytree(trees("genimage"), tmp_path / "raw")
    for number, file in enumerate(sorted(raw.rglob("*.*"))):
        blob = tmp_path / "blobs" / str(number)
        blob.parent.mkdir(exist_ok=True)
        file.rename(blob)
        file.symlink_to(os.path.relpath(blob, file.parent))
    root = prepare_here("genimage", raw, tmp_path / "prepared")
    rows = manifest.read(root / prepared.MANIFEST, manifest.PREPARED)
    assert len(rows) == 72
    for path in rows["path"]:
        assert not (root / path).is_symlink()
        assert (root / path).read_bytes() == (raw / path.removeprefix("crops/")).read_bytes()


def test_a_missing_mask_costs_the_mask_alone(pictures: Path, tmp_path: Path) -> None:
    raw = shutil.copytree(pictures, tmp_path / "raw")
    (raw / "masks" / "face.png").unlink()
    root = prepare_here("folder", raw, tmp_path / "prepared", "faces=true", "data.manifest=labels.csv", "workers=1")
    rows = manifest.read(root / prepared.MANIFEST, manifest.PREPARED)
    assert set(rows["label"]) == {0, 1}
    assert rows["mask"].isna().all()
    assert _quarantine(root)["fake/face.jpg"].startswith("no mask, because masks/face.png")


def test_a_picture_that_cannot_be_read_costs_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extraction = Extraction(tmp_path, tmp_path / "out", Sampling(), None, None, "png")
    monkeypatch.setattr("fakedet.data.extract._extraction", extraction, raising=False)
    record = extract(Job("gone.jpg", "image", None, 1))
    assert (record["error"], record["crops"]) == ("cannot be read (No such file or directory)", [])


@pytest.mark.parametrize("protocol", ["official", "identity_disjoint"])
@pytest.mark.parametrize("name", ["community_forensics", "genimage", "cnndetection"])
def test_a_picture_has_one_split_in_place_and_prepared(
    name: str, protocol: str, trees: Trees, compose: Compose, tmp_path: Path
) -> None:
    raw = trees(name)
    root = prepare_here(name, raw, tmp_path / "prepared")
    splits = []
    for place in (raw, root):
        config = compose("train", f"data={name}", f"data.root={place}", f"data.split={protocol}")
        rows = instantiate(config.data, spec=PreprocessSpec(), augment=Pipeline()).prepare().rows
        splits.append(dict(zip(rows["path"].str.removeprefix("crops/"), rows["split"], strict=True)))
    assert splits[0] == splits[1]
    assert len(set(splits[0].values())) == 3


def test_what_is_gone_from_the_download_is_said_to_leave_the_manifest(
    trees: Trees, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    raw, root = shutil.copytree(trees("celebdf"), tmp_path / "raw"), shutil.copytree(whole, tmp_path / "prepared")
    gone = sorted(raw.rglob("*.mp4"))[0]
    gone.rename(tmp_path / "away.mp4")
    prepare_here("celebdf", raw, root)
    assert "1 files that were done before are not in the download any more" in caplog.text
    assert gone.name in caplog.text
    (tmp_path / "away.mp4").rename(gone)
    prepare_here("celebdf", raw, root)
    assert _files(root) == _files(whole)


def test_settings_that_would_do_nothing_are_refused(trees: Trees, tmp_path: Path) -> None:
    _refused(r"face\.choice=central is for pictures", trees("celebdf"), tmp_path / "a", "face.choice=central")
    with pytest.raises(UserError, match=r"data=genimage keeps pictures whole: give faces=true"):
        prepare_here("genimage", trees("genimage"), tmp_path / "b", "face.margin=1.5")
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def test_a_mask_of_another_size_is_no_mask_and_a_mended_one_is_cut(pictures: Path, tmp_path: Path) -> None:
    raw = shutil.copytree(pictures, tmp_path / "raw")
    file, root = raw / "masks" / "face.png", tmp_path / "prepared"
    whole = file.read_bytes()
    chosen = ("faces=true", "data.manifest=labels.csv", "workers=1")
    file.write_bytes(cv2.imencode(".png", np.full((20, 30), 255, np.uint8))[1].tobytes())
    prepare_here("folder", raw, root, *chosen)
    assert manifest.read(root / prepared.MANIFEST, manifest.PREPARED)["mask"].isna().all()
    assert re.search(r"masks/face\.png has 30 × 20 pixels and not \d+ × \d+", _quarantine(root)["fake/face.jpg"])
    file.write_bytes(whole)
    prepare_here("folder", raw, root, *chosen)
    assert manifest.read(root / prepared.MANIFEST, manifest.PREPARED)["mask"].notna().sum() == 1


def test_a_mask_film_that_ends_early_is_named(trees: Trees, tmp_path: Path) -> None:
    raw = shutil.copytree(trees("faceforensics"), tmp_path / "raw")
    masks = sorted(file for file in raw.rglob("masks/**/*.mp4") if "Deepfakes" in str(file))
    films.write(masks[0], 1)
    root = prepare_here("faceforensics", raw, tmp_path / "prepared", "data.methods=[Deepfakes]")
    assert any(reason.startswith(NO_MASK) and ("ends after" in reason or "pixels and not" in reason)
               for reason in _quarantine(root).values())  # fmt: skip


def test_names_of_a_download_are_no_formulas(pictures: Path, tmp_path: Path) -> None:
    raw = shutil.copytree(pictures, tmp_path / "raw")
    (raw / "=1+1").mkdir()
    (raw / "=1+1" / "broken.jpg").write_bytes(b"no picture")
    with (raw / "labels.csv").open("a") as stream:
        stream.write("\n=1+1/broken.jpg,fake,")
    root = prepare_here("folder", raw, tmp_path / "prepared", "data.manifest=labels.csv", "workers=1")
    assert "./=1+1/broken.jpg" in _quarantine(root)


def test_a_table_with_an_empty_group_is_refused_before_the_work(pictures: Path, tmp_path: Path) -> None:
    raw, root = shutil.copytree(pictures, tmp_path / "raw"), tmp_path / "prepared"
    table = pd.read_csv(raw / "labels.csv").assign(group=["a", "", "b", "c"])
    table.to_csv(raw / "labels.csv", index=False)
    with pytest.raises(UserError, match=r"1 rows of the table .* have no group; the first is real/landscape\.jpg"):
        prepare_here("folder", raw, root, "data.manifest=labels.csv")
    assert not root.exists()
