"""The model card's table: what a run of the shipped detector's data reached, part by part.

    python scripts/shipped_figures.py outputs/train/RUN
    python scripts/shipped_figures.py outputs/evaluate/RUN --split val

A part is the fakes of some data sets against the reals of some; the frame AUC has a 95 % interval from a bootstrap
over groups (originals, near-duplicates, prompts). The last line is the plain mean of the AUCs of the parts that are
no subset of another (their names start with "–").
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from fakedet.data.manifest import FAKE
from fakedet.errors import UserError
from fakedet.evaluation import predictions
from fakedet.evaluation.summary import cell, plain_metrics, scored

GENERAL = ("photographs", "stable_diffusion_v1", "photoreal")  # whose reals are pictures of anything
# Name -> data sets of the fakes, data sets of the reals.
PARTS = {
    "face swaps (DFDC crops)": (("dfdc_faces",), ("dfdc_faces",)),
    "faces by StyleGAN 1 and 2": (("stylegan1", "hard_fake_vs_real"), ("stylegan1", "hard_fake_vs_real")),
    "– StyleGAN 1": (("stylegan1",), ("stylegan1",)),
    "– StyleGAN 2": (("hard_fake_vs_real",), ("hard_fake_vs_real",)),
    "pictures by generators and of prompts left out": (("many_models", "models_2022"), GENERAL),
    "– forty current models": (("many_models",), GENERAL),
    "– models of 2022": (("models_2022",), GENERAL),
    "Stable Diffusion v1 (art against photographs)": (("stable_diffusion_v1",), ("stable_diffusion_v1",)),
    "photo-like pictures": (("photoreal",), ("photoreal",)),
}
_COLUMNS = ("auc", "balanced_accuracy", "ece")


def table(rows: pd.DataFrame) -> list[str]:
    """Lines of a Markdown table.

    Args:
        rows: scored rows of one split, with `dataset`, `label`, `group`, `score` and `verdict`.
    """
    parts = {"all of them": rows}
    for name, (fakes, reals) in PARTS.items():
        of = rows["dataset"].isin(fakes) & (rows["label"] == FAKE) | rows["dataset"].isin(reals) & (
            rows["label"] != FAKE
        )
        parts[name] = rows[of]
    threshold = rows.attrs["threshold"]
    whole = []
    lines = ["| part | reals | fakes | AUC | balanced accuracy | ECE |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for name, part in parts.items():
        fake = int((part["label"] == FAKE).sum())
        if not 0 < fake < len(part):
            continue
        metrics, _ = plain_metrics(part, threshold=threshold, resamples=1000, seed=0)
        values = " | ".join(cell(metrics[column]) for column in _COLUMNS)
        lines.append(f"| {name} | {len(part) - fake} | {fake} | {values} |")
        auc = metrics["auc"]["value"]
        if name in PARTS and not name.startswith("–") and auc is not None:
            whole.append(auc)
    if whole:
        lines.append(f"| mean of the {len(whole)} parts | | | {np.mean(whole):.3f} | | |")
    return lines


def main() -> None:
    """Print the table of a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a training or an evaluation, or its predictions.parquet")
    parser.add_argument("--split", default="test", choices=("val", "test"))
    arguments = parser.parse_args()
    try:
        rows, about = predictions.read(arguments.run)
        rows = scored(rows[rows["split"] == arguments.split])
        if rows.empty:
            raise UserError(f"{arguments.run} holds no score of the {arguments.split} split.")
    except UserError as error:
        sys.exit(f"error: {error}")
    rows.attrs["threshold"] = about["decision"]["threshold"]
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
