from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fakedet.data.manifest import COLUMNS, PREPARED, complete, protocol_hash, read, write_table
from fakedet.errors import UserError


def _rows() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "path": ["b.jpg", "a.jpg", "c.jpg"],
            "label": [1, 0, 1],
            "dataset": "d",
            "group": ["g", "g", "h"],
            "split": ["train", "train", "test"],
            "frame": [3, None, 5],
            "note": "not a column of the schema",
        }
    )


def test_complete_gives_the_schema_sorted_by_path() -> None:
    rows = complete(_rows())
    assert {name: str(dtype) for name, dtype in rows.dtypes.items()} == COLUMNS
    assert list(rows.columns) == list(COLUMNS)
    assert list(rows["path"]) == ["a.jpg", "b.jpg", "c.jpg"]
    assert list(rows["label"]) == [0, 1, 1]
    assert rows["frame"].isna().tolist() == [True, False, False]
    assert list(rows.index) == [0, 1, 2]


@pytest.mark.parametrize("column", ["path", "label", "dataset", "group", "split"])
def test_a_required_column_is_named_where_it_is_missing(column: str) -> None:
    with pytest.raises(UserError, match=f"lacks the column {column}"):
        complete(_rows().drop(columns=column))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("group", None, "1 rows have no group; the first is a.jpg"),
        ("label", 2, "a label other than 0 .real. and 1 .fake.; the first is a.jpg"),
        ("split", "dev", "a split other than train, val, test; the first is a.jpg"),
        ("path", "b.jpg", "a path that stands twice; the first is b.jpg"),
    ],
)
def test_a_wrong_row_is_named(column: str, value: Any, message: str) -> None:
    rows = _rows().astype({"label": object})
    rows.loc[1, column] = value
    with pytest.raises(UserError, match=message):
        complete(rows)


def test_the_hash_knows_the_protocol_and_nothing_else() -> None:
    rows = complete(_rows())
    first = protocol_hash(rows)
    assert len(first) == 16
    assert protocol_hash(rows.sample(frac=1, random_state=1)) == first
    assert protocol_hash(rows.assign(dataset="elsewhere", method="x")) == first
    changes: dict[str, Any] = {"path": "z.jpg", "label": 1, "group": "z", "split": "val"}
    for column, value in changes.items():
        changed = rows.copy()
        changed.loc[0, column] = value
        assert protocol_hash(changed) != first, column


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    rows = complete(_rows())
    write_table(rows, tmp_path / "manifest.parquet")
    pd.testing.assert_frame_equal(read(tmp_path / "manifest.parquet"), rows)
    assert [file.name for file in tmp_path.iterdir()] == ["manifest.parquet"]


def test_a_failed_write_leaves_the_old_table(tmp_path: Path) -> None:
    file = tmp_path / "manifest.parquet"
    write_table(complete(_rows()), file)
    before = file.read_bytes()
    with pytest.raises(Exception, match=r".+"):  # whatever pyarrow says of a column it cannot write
        write_table(pd.DataFrame({"path": ["a", object()]}), file)
    assert file.read_bytes() == before


def test_what_is_no_manifest_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "manifest.parquet"
    for data in (b"", b"no parquet"):
        file.write_bytes(data)
        with pytest.raises(UserError, match="cannot be read as a Parquet table"):
            read(file)
    with pytest.raises(UserError, match="cannot be read"):
        read(tmp_path / "none.parquet")
    pd.DataFrame({"x": [1]}).to_parquet(file)
    with pytest.raises(UserError, match="lacks the column path"):
        read(file)


@pytest.mark.parametrize("column", ["path", "mask"])
@pytest.mark.parametrize("name", ["../secret.png", "crops/../../secret.png", "/etc/secret.png"])
def test_a_strangers_manifest_leads_nowhere_else(column: str, name: str, tmp_path: Path) -> None:
    rows = pd.DataFrame({"path": ["a.png", "b.png"], "label": [0, 1], "dataset": "x", "method": "y", "mask": None})
    rows[column] = ["fine.png", name]
    write_table(rows, tmp_path / "manifest.parquet")
    with pytest.raises(UserError, match="does not lie below its folder"):
        read(tmp_path / "manifest.parquet", PREPARED)
