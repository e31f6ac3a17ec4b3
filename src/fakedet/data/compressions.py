"""The compressions that FaceForensics++ and DFD come in: H.264 at a quantiser of 23 or 40, or none that shows."""

from collections.abc import Set as AbstractSet
from pathlib import Path

import pandas as pd

from fakedet.errors import UserError, did_you_mean

COMPRESSIONS = ("raw", "c23", "c40")


def checked_compression(name: str | None) -> str | None:
    """The name of a compression, or None for all.

    Raises:
        UserError: for any other.
    """
    if name is not None and name not in COMPRESSIONS:
        hint = did_you_mean(name, COMPRESSIONS)
        raise UserError(f"data.compression={name}{hint} is not one of {', '.join(COMPRESSIONS)} (null: all).")
    return name


def check_compression(there: AbstractSet[str], wanted: str | None, folder: Path) -> None:
    """Refuse a folder that has other compressions than the wanted one.

    Raises:
        UserError: which says what to ask for instead.
    """
    if wanted and there and wanted not in there:
        found = sorted(there)
        raise UserError(f"{folder} holds no {wanted} but {', '.join(found)}: set data.compression={found[0]}.")


def of_compression(rows: pd.DataFrame, wanted: str | None) -> pd.DataFrame:
    """Rows of one compression; None for all."""
    return (rows if wanted is None else rows[rows["compression"] == wanted]).reset_index(drop=True)
