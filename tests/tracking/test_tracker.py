import numpy as np
import pandas as pd
import pytest

from fakedet.tracking.tracker import is_picture, plain


def test_only_rgb_bytes_are_pictures() -> None:
    assert is_picture(np.zeros((4, 5, 3), np.uint8))
    for other in (
        np.zeros((4, 5, 3)),
        np.zeros((4, 5), np.uint8),
        np.zeros((4, 5, 4), np.uint8),
        "picture",
        None,
    ):
        assert not is_picture(other)


@pytest.mark.parametrize("missing", [np.nan, None, pd.NA, pd.NaT])
def test_missing_cells_become_none(missing: object) -> None:
    assert plain(missing) is None


def test_cells_become_plain_python() -> None:
    assert type(plain(np.float32(0.5))) is float
    assert type(plain(np.int64(3))) is int
    assert plain("a.jpg") == "a.jpg"
    assert plain([1, 2]) == "[1, 2]"
