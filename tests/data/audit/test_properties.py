from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fakedet.data.audit.properties import PROPERTIES, properties
from fakedet.data.benchmarks.folder import Folder
from fakedet.data.photographs import photographs
from fakedet.detector.image import decode
from fakedet.detector.spec import FaceSpec
from fakedet.errors import UserError

MakeSet = Callable[..., pd.DataFrame]
OpenSet = Callable[..., Folder]


def _measured(root: Path, rows: pd.DataFrame, open_set: OpenSet) -> pd.DataFrame:
    data = open_set(root, rows)
    return properties(data, data.rows).set_index("path")


def test_what_a_file_says_of_itself(tmp_path: Path, make_set: MakeSet, open_set: OpenSet) -> None:
    rows = make_set(tmp_path, count=10)
    image = np.full((48, 96, 3), (200, 100, 50), np.uint8)
    image[:, 48:] = (100, 50, 0)
    picture = Image.fromarray(image)
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    picture.save(tmp_path / "000.jpg", quality=75, subsampling=2, exif=exif)
    picture.save(tmp_path / "001.jpg", quality=90, subsampling=0, icc_profile=b"a profile")
    tables = [[7] * 64, [9] * 64]
    picture.save(tmp_path / "002.jpg", qtables=tables)
    picture.convert("L").save(tmp_path / "003.jpg", quality=30)
    picture.save(tmp_path / "004.jpg", "PNG")
    picture.save(tmp_path / "005.jpg", "WEBP", quality=80)
    table = _measured(tmp_path, rows, open_set)
    assert table["format"].tolist()[:6] == ["JPEG", "JPEG", "JPEG", "JPEG", "PNG", "WEBP"]
    assert table["quality"].tolist()[:4] == [75, 90, pytest.approx(91, abs=6), 30]
    assert table["tables"].tolist()[:4] == ["standard", "standard", "of its own", "standard"]
    assert table["sampling"].tolist()[:4] == ["4:2:0", "4:4:4", "4:2:0", "grey"]
    assert table.loc[["004.jpg", "005.jpg"], ["quality", "tables", "sampling"]].isna().all(axis=None)
    assert table["exif"].tolist()[:2] == ["present", "absent"]
    assert table["profile"].tolist()[:2] == ["absent", "present"]
    png = table.loc["004.jpg"]
    size = (tmp_path / "004.jpg").stat().st_size
    assert (png["width"], png["height"], png["bytes"]) == (96, 48, size)
    assert png["bits"] == pytest.approx(8 * size / (96 * 48))
    assert (png["red"], png["green"], png["blue"]) == (150, 75, 25)
    assert png["brightness"] == pytest.approx(0.299 * 150 + 0.587 * 75 + 0.114 * 25, abs=1)
    assert png["contrast"] == pytest.approx((0.299 * 100 + 0.587 * 50 + 0.114 * 50) / 2, abs=1)
    assert png["face"] == "absent"


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 51, 85, 99, 100])
def test_the_quality_of_standard_tables_is_known_exactly(
    quality: int, tmp_path: Path, make_set: MakeSet, open_set: OpenSet
) -> None:
    rows = make_set(tmp_path, count=10)
    cv2.imwrite(str(tmp_path / "000.jpg"), np.zeros((32, 32, 3), np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
    table = _measured(tmp_path, rows, open_set)
    assert (table["quality"].iloc[0], table["tables"].iloc[0]) == (quality, "standard")


def test_a_face_is_found_in_the_stored_picture(
    tmp_path: Path, make_set: MakeSet, open_set: OpenSet, save: Callable[..., None]
) -> None:
    (astronaut,) = (photograph for photograph in photographs() if photograph.name == "astronaut")
    image = decode(astronaut.path)
    rows = make_set(tmp_path, count=10)
    save(tmp_path / "000.jpg", image[60:200, 160:290])  # tight
    save(tmp_path / "001.jpg", image[0:300, 80:380])  # loose
    table = _measured(tmp_path, rows, open_set)
    assert table["face"].tolist() == ["present", "present", *["absent"] * 8]
    tight, loose = table.iloc[0], table.iloc[1]
    assert tight["face_width"] > 1.6 * loose["face_width"] > 0.3
    assert loose["face_x"] == pytest.approx(0.48, abs=0.06)
    assert table["face_width"].isna().sum() == 8


def test_the_manifests_face_box_is_taken_if_it_is_one_of_this_picture(
    tmp_path: Path, make_set: MakeSet, open_set: OpenSet
) -> None:
    rows = make_set(tmp_path, count=10)
    rows["face_box"] = "16.0,8.0,48.0,40.0"
    rows.loc[3, "face_box"] = "400,300,900,800"  # of the frame that this was cut from
    rows.loc[4, "face_box"] = None
    table = _measured(tmp_path, rows, open_set)
    first = table.iloc[0]
    assert (first["face_width"], first["face_height"]) == (0.5, 0.5)
    assert (first["face_x"], first["face_y"]) == (0.5, 0.375)
    assert table["face"].tolist() == ["present"] * 3 + ["absent"] * 2 + ["present"] * 5


def test_boxes_of_prepared_crops_are_not_taken(tmp_path: Path, make_set: MakeSet, open_set: OpenSet) -> None:
    data = open_set(tmp_path, make_set(tmp_path, count=10).assign(face_box="16,8,48,40"))
    data.crops = FaceSpec()
    assert set(properties(data, data.rows)["face"]) == {"absent"}


@pytest.mark.parametrize("box", ["16,8,48", "here", "16;8;48;40"])
def test_a_box_that_is_none_is_refused(box: str, tmp_path: Path, make_set: MakeSet, open_set: OpenSet) -> None:
    rows = make_set(tmp_path, count=10).assign(face_box=box)
    with pytest.raises(UserError, match=rf"face_box '{box}' of 000.jpg is not left,top,right,bottom"):
        _measured(tmp_path, rows, open_set)


def test_unreadable_pictures_are_left_out_by_name(tmp_path: Path, make_set: MakeSet, open_set: OpenSet) -> None:
    rows = make_set(tmp_path, count=20)
    (tmp_path / "007.jpg").write_bytes((tmp_path / "007.jpg").read_bytes()[:300])
    data = open_set(tmp_path, rows)
    table = properties(data, data.rows)
    assert len(table) == 19
    assert "007.jpg" not in set(table["path"])
    assert list(data.quarantine.reasons) == ["007.jpg"]
    assert list(table.columns) == ["path", *(each.name for each in PROPERTIES), "label", "group"]
