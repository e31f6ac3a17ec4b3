"""The test pictures of the shipped detector's data as folders, for a comparison of detectors on whole pictures.

    python scripts/shipped_pictures.py outputs/train/RUN /data/raw/shipped /test
    make bench-peers args="/test/stylegan /test/general --group-by group --limit 300"

Training reads crops; detectors are compared on the files that these were cut from, which are linked to, each once:
NEW/{dfdc,stylegan,general}/{real,fake}/, with a table of their groups beside them.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from fakedet.data.splits import CLASS_NAMES
from fakedet.errors import UserError
from fakedet.evaluation import predictions

# Folder -> data sets; all others are pictures of anything.
FACES = {"dfdc_faces": "dfdc", "hard_fake_vs_real": "stylegan", "stylegan1": "stylegan"}


def lay_out(rows: pd.DataFrame, raw: Path, new: Path) -> dict[str, int]:
    """Link to the files of rows; how many each folder has.

    Args:
        rows: of the shipped detector's prepared data.
        raw: the folder that the data set was prepared from.
        new: the folder that is made.

    Raises:
        UserError: for a picture that is not there, and a folder that is there already.
    """
    if new.exists():
        raise UserError(f"{new} exists already: name a folder that does not.")
    # A picture that is read whole and as a face is named by its source; DFDC's crops are files themselves.
    crops = rows["path"].str.removeprefix("crops/").where(rows["dataset"] == "dfdc_faces", rows["source_clip"])
    rows = rows.assign(file=crops).dropna(subset="file").drop_duplicates("file")
    if rows.empty:
        raise UserError("The run holds no test picture that prepare.py has cut.")
    absent = [file for file in rows["file"] if not (raw / file).is_file()]
    if absent:
        raise UserError(f"{raw} lacks {absent[0]}: name the folder that prepare.py read (data.raw).")
    counts = {}
    for part, of in rows.groupby(rows["dataset"].map(FACES).fillna("general")):
        folder, table = new / str(part), []
        for label, file, group in zip(of["label"], of["file"], of["group"], strict=True):
            place = Path(CLASS_NAMES[label]) / file.replace("/", "_")
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).symlink_to((raw / file).resolve())
            table.append({"path": place.as_posix(), "label": label, "group": group})
        pd.DataFrame(table).to_csv(folder / "pictures.csv", index=False)
        counts[str(part)] = len(table)
    return counts


def main() -> None:
    """Make the folders of a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a training or an evaluation, or its predictions.parquet")
    parser.add_argument("raw", type=Path, help="folder that the data was prepared from")
    parser.add_argument("new", type=Path, help="folder to make")
    arguments = parser.parse_args()
    try:
        rows, _ = predictions.read(arguments.run)
        counts = lay_out(rows[rows["split"] == "test"], arguments.raw, arguments.new)
    except UserError as error:
        sys.exit(f"error: {error}")
    for part, count in counts.items():
        print(f"{arguments.new / part}: {count} pictures")


if __name__ == "__main__":
    main()
