"""Sources that a detector has never seen: the AUC on each source of the shipped detector's data that a run left out.

    python src/train.py -m experiment=shipped data.root=/data/shipped data.leave_out=[stylegan1],[many_models]
    python scripts/shipped_left_out.py outputs/train/sweep/RUN/*/

A source is scored against its own reals, or against photographs where it has none. All of its pictures are in the
test split then; the frame AUC has a 95 % interval from a bootstrap over groups.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from shipped_figures import GENERAL

from fakedet.data.manifest import FAKE
from fakedet.errors import UserError
from fakedet.evaluation import predictions
from fakedet.evaluation.summary import cell, plain_metrics, scored


def left_out(run: Path) -> pd.DataFrame:
    """The test rows of the sources with fakes that a run was not trained on, one `source` each.

    Raises:
        UserError: when it holds no predictions, saw all sources that it was tested on, or no reals beside one.
    """
    rows, about = predictions.read(run)
    test = scored(rows[rows["split"] == "test"])
    is_fake = test["label"] == FAKE
    unseen = sorted(set(test.loc[is_fake, "dataset"]) - set(about["detector"]["trained_on"]))
    if not unseen:
        raise UserError(f"{run} was trained on all that it was tested on: train it with data.leave_out=[…].")
    parts = []
    for source in unseen:
        own = test["dataset"] == source
        reals = own if (own & ~is_fake).any() else test["dataset"].isin(GENERAL)
        if not (reals & ~is_fake).any():
            raise UserError(f"{run} was tested on no reals for {source}: it needs {', '.join(GENERAL)}.")
        parts.append(test[own & is_fake | reals & ~is_fake].assign(source=source))
    return pd.concat(parts, ignore_index=True)


def table(runs: list[Path]) -> list[str]:
    """Lines of a Markdown table, a source each, and their mean."""
    lines = ["| left out | reals | fakes | AUC |", "| --- | ---: | ---: | ---: |"]
    means = []
    for run in runs:
        for source, part in left_out(run).groupby("source"):
            metrics, _ = plain_metrics(part, threshold=0.5, resamples=1000, seed=0)
            value = metrics["auc"]["value"]
            assert value is not None  # both classes are there
            means.append(value)
            fake = int((part["label"] == FAKE).sum())
            lines.append(f"| {source} | {len(part) - fake} | {fake} | {cell(metrics['auc'])} |")
    return [*lines, f"| mean of {len(means)} | | | {np.mean(means):.3f} |"]


def main() -> None:
    """Print the table of some runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of trainings, each with data.leave_out")
    arguments = parser.parse_args()
    try:
        print("\n".join(table(arguments.runs)))
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
