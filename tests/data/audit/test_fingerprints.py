import hashlib
from collections.abc import Callable
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fakedet.data.audit.fingerprints import fingerprints
from fakedet.data.benchmarks.folder import Folder
from fakedet.data.datamodule import UNREADABLE
from fakedet.errors import UserError

NONE = np.zeros(0, np.int64)
MakeSet = Callable[..., pd.DataFrame]
OpenSet = Callable[..., Folder]


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _first_bits(digest: str) -> int:
    return int.from_bytes(bytes.fromhex(digest)[:8], "big", signed=True)


def test_files_are_hashed_where_the_manifest_knows_nothing(
    tmp_path: Path, make_set: MakeSet, open_set: OpenSet
) -> None:
    rows = make_set(tmp_path, count=20)
    (tmp_path / "003.jpg").write_bytes(b"no picture")
    data = open_set(tmp_path, rows)
    prints = fingerprints(data, NONE)
    for place, path in enumerate(data.rows["path"]):
        assert prints.digests[place] == _first_bits(_digest(tmp_path / path))
        if path != "003.jpg":
            assert f"{prints.hashes[place]:016x}" == str(imagehash.phash(Image.open(tmp_path / path)))
    np.testing.assert_array_equal(prints.readable, data.rows["path"] != "003.jpg")
    assert list(data.quarantine.reasons) == ["003.jpg"]
    assert (prints.checked, prints.edited) == (0, [])


def test_the_manifest_is_believed_but_for_the_checked(tmp_path: Path, make_set: MakeSet, open_set: OpenSet) -> None:
    rows = make_set(tmp_path, count=20)
    rows["sha256"] = [_digest(tmp_path / path).upper() for path in rows["path"]]
    rows["phash"] = [f"{number:016x}" for number in range(20)]
    (tmp_path / "004.jpg").write_bytes((tmp_path / "005.jpg").read_bytes())
    (tmp_path / "011.jpg").write_bytes(b"changed as well, but not looked at")
    data = open_set(tmp_path, rows)
    prints = fingerprints(data, np.array([3, 4]))
    assert (prints.checked, prints.edited) == (2, [4])
    assert prints.digests[4] == prints.digests[5] == _first_bits(rows["sha256"][5])
    assert prints.digests[11] == _first_bits(rows["sha256"][11])
    fresh = int(str(imagehash.phash(Image.open(tmp_path / "004.jpg"))), 16)
    assert prints.hashes.tolist() == [*range(4), fresh, *range(5, 20)]


def test_a_hash_of_another_kind_is_made_anew(tmp_path: Path, make_set: MakeSet, open_set: OpenSet) -> None:
    rows = make_set(tmp_path, count=10).assign(phash="0123456789abcdef")
    rows.loc[7, "phash"] = "0123456789abcdef0123456789abcdef"
    prints = fingerprints(open_set(tmp_path, rows), NONE)
    assert f"{prints.hashes[0]:016x}" == str(imagehash.phash(Image.open(tmp_path / "000.jpg")))


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that even root cannot read")
def test_a_file_that_cannot_be_read_has_no_digest(tmp_path: Path, make_set: MakeSet, open_set: OpenSet) -> None:
    data = open_set(tmp_path, make_set(tmp_path, count=20))
    (tmp_path / "002.jpg").unlink()
    (tmp_path / "002.jpg").symlink_to("/proc/self/mem")
    prints = fingerprints(data, NONE)
    assert prints.digests[2] == UNREADABLE
    assert "cannot be read" in data.quarantine.reasons["002.jpg"]


def test_missing_files_are_counted_with_a_hint(tmp_path: Path, make_set: MakeSet, open_set: OpenSet) -> None:
    data = open_set(tmp_path, make_set(tmp_path, count=20))
    for name in ("004.jpg", "015.jpg"):
        (tmp_path / name).unlink()
    with pytest.raises(UserError, match=r"2 of 20 files .* not below data.root=.*first is 004.jpg: give the folder"):
        fingerprints(data, NONE)


def test_digests_that_are_none_are_refused(tmp_path: Path, make_set: MakeSet, open_set: OpenSet) -> None:
    rows = make_set(tmp_path, count=10)
    rows["sha256"] = None
    rows.loc[6, "sha256"] = "d41d8cd98f00b204e9800998ecf8427e"  # an MD5
    with pytest.raises(
        UserError, match=r"1 rows have a sha256 that is not 64 hexadecimal digits; the first is 006.jpg"
    ):
        fingerprints(open_set(tmp_path, rows), NONE)
