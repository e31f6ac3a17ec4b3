"""The table that every number of a report is made from, and what it has to know beside its rows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from fakedet.data import manifest
from fakedet.errors import UserError
from fakedet.evaluation.statuses import STATUSES

FILE = "predictions.parquet"
FORMAT = 1
_ABOUT = "fakedet"
_COLUMNS = (*manifest.REQUIRED, "logit", "face_status")


def write(rows: pd.DataFrame, about: Mapping[str, Any], run: Path) -> Path:
    """Write the predictions of a run, with what its report says of detector, decision and data.

    Args:
        rows: the manifest's columns, `logit`, `score`, `verdict` and `face_status`.
        about: plain JSON.
        run: the run's folder.

    Returns:
        The file's path.
    """
    rows.attrs = {_ABOUT: {"format": FORMAT, **about}}
    manifest.write_table(rows, run / FILE)
    return run / FILE


def read(place: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read what `write` wrote; `place` is the file or the run's folder.

    Raises:
        UserError: when it is not such a table, or its rows are not what they should be.
    """
    file = place / FILE if place.is_dir() else place
    if not file.is_file():
        raise UserError(f"There are no predictions {file}: name a {FILE}, or the folder of a run that has one.")
    try:
        rows = pd.read_parquet(file)
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read as a Parquet table: {' '.join(str(error).split())}.") from error
    about = rows.attrs.get(_ABOUT)
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise UserError(f"{file} was not written by this version of evaluate.py: score the images again.")
    absent = [name for name in _COLUMNS if name not in rows]
    if absent:
        raise UserError(f"{file} lacks the column {', '.join(absent)}: score the images again.")
    strange = ~rows["face_status"].isin(STATUSES)
    if strange.any():
        first = rows[strange].iloc[0]
        raise UserError(f"{file}: {first['path']} has the face_status {first['face_status']}, which nobody gives.")
    return rows, {name: value for name, value in about.items() if name != "format"}


def with_manifest(predictions: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Predictions with the columns of another manifest of the same images: other groups, say.

    Args:
        predictions: as `read` gives them.
        rows: of the manifest; those that were not scored are not looked at.

    Raises:
        UserError: when a scored image is not in the manifest, or is another label there.
    """
    known = rows.set_index("path")
    unknown = predictions["path"][~predictions["path"].isin(known.index)]
    if len(unknown):
        raise UserError(
            f"{len(unknown)} of {len(predictions)} scored images are not in the data, such as {unknown.iloc[0]}: "
            "name the data that they were scored on."
        )
    there = known.loc[predictions["path"]].reset_index()
    other = there["label"].to_numpy() != predictions["label"].to_numpy()
    if other.any():
        raise UserError(
            f"{int(other.sum())} scored images have another label in the data, such as "
            f"{predictions['path'][other].iloc[0]}: score them again."
        )
    columns = [name for name in manifest.COLUMNS if name not in ("path", "split")]
    return predictions.assign(**{name: there[name].array for name in columns})
