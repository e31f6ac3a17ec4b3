"""Pictures in which no face was found: excluded, abstained from, or scored whole, and always counted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from runs import evaluate_here, metrics, prepare_here, train_here
from skimage.data import astronaut

from fakedet.data.whole import WholePictures
from fakedet.detector.image import ImageError
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError


@pytest.fixture(scope="module")
def download(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pictures of a person, half of them called fake; two reals and one fake show nobody."""
    raw = tmp_path_factory.mktemp("download")
    picture = Image.fromarray(astronaut()[:300, 80:380])
    for label in ("real", "fake"):
        (raw / label).mkdir()
        for number in range(4):
            side = 300 - 8 * number
            cut = picture.crop((0, 0, side, side))
            (cut if label == "real" else cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)).save(
                raw / label / f"{number}.jpg"
            )
    for name, shade in {"real/nobody_0": 40, "real/nobody_1": 120, "fake/nobody": 200}.items():
        Image.new("RGB", (96, 96), (shade, 90, 255 - shade)).save(raw / f"{name}.jpg")
    return raw


@pytest.fixture(scope="module")
def prepared(download: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare_here("folder", download, tmp_path_factory.mktemp("prepared") / "faces", "faces=true")


@pytest.fixture(scope="module")
def run(make_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = make_folder(tmp_path_factory.mktemp("data") / "images", groups=20, size=40)
    return train_here(tmp_path_factory.mktemp("train") / "run", images, "trainer.max_epochs=1")


@pytest.fixture(scope="module")
def scored(
    run: Path, prepared: Path, download: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    done: dict[str, Path] = {}

    def evaluate(policy: str) -> Path:
        if policy not in done:
            place = ["data=folder", f"data.root={prepared}", f"data.raw={download}", "data.workers=0"]
            folder = tmp_path_factory.mktemp("evaluate") / policy
            done[policy] = evaluate_here(folder, f"ckpt={run}", *place, f"no_face={policy}")
        return done[policy]

    return evaluate


def _nobody(folder: Path) -> pd.DataFrame:
    rows = pd.read_parquet(folder / "predictions.parquet")
    return rows[rows["path"].str.contains("nobody")].set_index("path")


def _coverage(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = metrics(folder)["splits"]["all"]["coverage"]
    return found


def test_preparing_remembers_where_no_face_was_found(prepared: Path) -> None:
    missed = pd.read_parquet(prepared / "missed.parquet")
    assert missed["path"].tolist() == ["fake/nobody.jpg", "real/nobody_0.jpg", "real/nobody_1.jpg"]
    assert missed["label"].tolist() == [1, 0, 0]
    assert len(pd.read_parquet(prepared / "manifest.parquet")) == 8


def test_excluded_pictures_are_in_no_number_but_in_the_coverage(scored: Callable[[str], Path]) -> None:
    folder = scored("exclude")
    rows = _nobody(folder)
    assert set(rows["face_status"]) == {"no face"}
    assert rows["score"].isna().all()
    assert rows["verdict"].isna().all()
    entry = metrics(folder)["splits"]["all"]
    assert (entry["images"], entry["real"], entry["fake"]) == (8, 4, 4)
    assert _coverage(folder) == {
        "share": pytest.approx(8 / 11),
        "real": pytest.approx(4 / 6),
        "fake": pytest.approx(4 / 5),
        "policy": "exclude",
        "no_face": 3,
    }
    assert "72.7" in (folder / "report.html").read_text(), "coverage stands beside the scores"


def test_who_abstains_knows_nothing_and_is_counted(scored: Callable[[str], Path]) -> None:
    folder = scored("abstain")
    rows = _nobody(folder)
    assert set(rows["face_status"]) == {"abstained"}
    assert rows["score"].tolist() == [0.5, 0.5, 0.5]
    assert set(rows["verdict"]) == {"uncertain"}
    assert metrics(folder)["splits"]["all"]["images"] == 11
    assert _coverage(folder)["share"] == 1
    assert _coverage(folder)["no_face"] == 3
    assert "abstain" in (folder / "report.html").read_text()


def test_whole_pictures_are_scored_from_the_download(
    scored: Callable[[str], Path], run: Path, download: Path, tmp_path: Path
) -> None:
    rows = _nobody(scored("whole_image"))
    assert set(rows["face_status"]) == {"whole image"}
    assert metrics(scored("whole_image"))["splits"]["all"]["images"] == 11
    plain = evaluate_here(tmp_path / "run", f"ckpt={run}", "data=folder", f"data.root={download}", "data.workers=0")
    expected = _nobody(plain)["logit"]
    np.testing.assert_allclose(rows["logit"], expected.loc[rows.index], rtol=0, atol=1e-5)


def test_frames_of_a_video_are_found_again(tmp_path: Path) -> None:
    rows = pd.DataFrame({"path": ["clip.avi/000001", "gone.avi/000000"], "label": [0, 1], "frame": [1, 0]})
    writer = cv2.VideoWriter(str(tmp_path / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for shade in (0, 200):
        writer.write(np.full((48, 64, 3), shade, np.uint8))
    writer.release()
    pictures = WholePictures(rows, tmp_path, PreprocessSpec())
    assert abs(float(pictures.picture(0).mean()) - 200) < 3
    with pytest.raises(ImageError):
        pictures.picture(1)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["no_face=abstained"], r"no_face=abstained \(did you mean abstain\?\) is not one of"),
        (["no_face=whole_image"], r"name it with data\.raw="),
    ],
)
def test_what_cannot_be_done_is_said_before_scoring(
    overrides: list[str], sentence: str, run: Path, prepared: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=sentence):
        evaluate_here(tmp_path / "run", f"ckpt={run}", "data=folder", f"data.root={prepared}", *overrides)
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_a_training_that_could_not_be_tested_does_not_begin(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"name it with data\.raw="):
        train_here(tmp_path / "run", prepared, "preprocess.no_face=whole_image")
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_several_data_sets_have_no_download_to_name(run: Path, prepared: Path, tmp_path: Path) -> None:
    data = ["data=mix", f"data.sets={{mine: {prepared}}}", "data.workers=0"]
    with pytest.raises(UserError, match="needs one data set with its download: choose exclude or abstain"):
        evaluate_here(tmp_path / "run", f"ckpt={run}", *data, "no_face=whole_image")


def test_scores_of_data_with_missed_faces_can_be_used_again(
    scored: Callable[[str], Path], prepared: Path, tmp_path: Path
) -> None:
    again = evaluate_here(
        tmp_path / "again", f"predictions={scored('exclude')}", "data=folder", f"data.root={prepared}"
    )  # fmt: skip
    assert metrics(again)["splits"]["all"]["metrics"] == metrics(scored("exclude"))["splits"]["all"]["metrics"]
    assert _coverage(again)["no_face"] == 3
