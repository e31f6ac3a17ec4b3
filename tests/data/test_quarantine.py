import csv
from pathlib import Path

import pytest

from fakedet.data.quarantine import Quarantine
from fakedet.errors import UserError


def _table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_images_are_named_once_with_the_reason(tmp_path: Path) -> None:
    file = tmp_path / "quarantine.csv"
    quarantine = Quarantine(1000, 0.01, file)
    assert not file.exists()
    quarantine.add('odd, "name".jpg', "is empty")
    quarantine.add('odd, "name".jpg', "is empty")
    quarantine.add("b.jpg", "is truncated or damaged")
    assert _table(file) == [
        {"path": 'odd, "name".jpg', "reason": "is empty"},
        {"path": "b.jpg", "reason": "is truncated or damaged"},
    ]


def test_too_many_are_an_error_that_names_the_first_and_the_table(tmp_path: Path) -> None:
    file = tmp_path / "quarantine.csv"
    quarantine = Quarantine(200, 0.01, file)
    quarantine.add("a.jpg", "is empty")
    quarantine.add("b.jpg", "is empty")
    with pytest.raises(UserError, match=r"3 of 200 images .*max_unreadable=0.01 .* first is a.jpg, which is empty"):
        quarantine.add("c.jpg", "is empty")
    assert [row["path"] for row in _table(file)] == ["a.jpg", "b.jpg", "c.jpg"]


def test_a_run_that_goes_on_remembers_and_counts(tmp_path: Path) -> None:
    file = tmp_path / "quarantine.csv"
    Quarantine(200, 0.01, file).add("a.jpg", "is empty")
    resumed = Quarantine(200, 0.01, file)
    resumed.add("a.jpg", "is empty")
    resumed.add("b.jpg", "is empty")
    assert [row["path"] for row in _table(file)] == ["a.jpg", "b.jpg"]
    with pytest.raises(UserError, match="3 of 200"):
        resumed.add("c.jpg", "is empty")


def test_none_are_allowed_where_the_share_is_zero() -> None:
    with pytest.raises(UserError, match="1 of 10 images cannot be read"):
        Quarantine(10, 0, None).add("a.jpg", "is empty")
