"""The story of an evaluation: checkpoint and data in; predictions, numbers, pictures and report out."""

import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from rich.console import Console

from fakedet.augment.suite import Suite
from fakedet.config import EvaluateConfig, check_keys, instantiate
from fakedet.data import manifest
from fakedet.data.datamodule import UNREADABLE, DataModule
from fakedet.detector.decision import Decision
from fakedet.errors import UserError
from fakedet.evaluation.breakdown import breakdown
from fakedet.evaluation.checks import Checks, run_checks
from fakedet.evaluation.latency import measure_latency
from fakedet.evaluation.levels import to_videos
from fakedet.evaluation.provenance import describe, doubts
from fakedet.evaluation.report import most_confident_mistakes, write_report
from fakedet.evaluation.scoring import choose_device, decided, require_exact_fp32, score
from fakedet.evaluation.summary import scored, summarise, table
from fakedet.evaluation.tracked import track_curves, track_panel, track_summary
from fakedet.explain.panel import choose_rows, explain_rows
from fakedet.figures.panel import PanelItem
from fakedet.metrics.curves import pr_curve, roc_curve
from fakedet.models import checkpoint
from fakedet.tracking import Tracker

PANEL_COUNT, PANEL_SEED = 6, 0  # reals, and as many fakes


def evaluate(config: EvaluateConfig) -> None:
    """Score a checkpoint on the test split of its own data, or on other data, and write the report.

    Raises:
        UserError: for a checkpoint or data that cannot be used, and for images it was trained on.
    """
    check_keys(config)
    require_exact_fp32()
    file = checkpoint.find(Path(config.ckpt))
    _, card = checkpoint.load(file)
    run = Path(config.run.dir)
    data = _find_data(config, card, run / "quarantine.csv")
    has_test = config.data is None or _is_cut(config.data) or data.has_own_splits
    split = config.split or ("test" if has_test else "all")
    rows = data.rows if split == "all" else data.split(split)
    if rows.empty:
        raise UserError(f"split={split} holds no image; choose train, val, test or all.")
    leaked = _trained_on(data, rows, card)
    if len(leaked) and not config.allow_leak:
        raise UserError(
            f"{len(leaked)} of these {len(rows)} images were trained on, the first is {leaked[0]}: choose split=test, "
            "or allow_leak=true for a score that means nothing for new images."
        )
    checks = Checks(_suite(config), config.shortcut, config.explanations)
    conclude(run, file, data, (split,), choose_device(config.device), (), leaked=len(leaked), checks=checks)


def _suite(config: EvaluateConfig) -> Suite | None:
    if config.explanations < 0:
        raise UserError(f"explanations={config.explanations} is below 0.")
    suite: Suite | None = None if config.robustness is None else instantiate(config.robustness)
    return suite


def _find_data(config: EvaluateConfig, card: checkpoint.Card, quarantine_file: Path) -> DataModule:
    section = dict(card.data if config.data is None else config.data)
    if config.data is not None and config.split in (None, "all") and not _is_cut(section):
        # Nothing is to be split, so that a few groups are enough; splits that the data has are honoured.
        section |= {name: 0.0 for name in ("val_share", "test_share") if name in section}
    data: DataModule = instantiate(section, spec=card.preprocess, quarantine_file=quarantine_file)
    return data.prepare()


def _is_cut(section: Mapping[str, Any]) -> bool:
    """Whether the data is asked for with a protocol that cuts splits of its own."""
    return section.get("split", "official") != "official"


def _trained_on(data: DataModule, rows: pd.DataFrame, card: checkpoint.Card) -> list[str]:
    digests = data.file_digests(rows)
    return list(rows["path"][np.isin(digests, card.trained_on) & (digests != UNREADABLE)])


def conclude(
    run: Path,
    file: Path,
    data: DataModule,
    splits: Sequence[str],
    device: torch.device,
    trackers: Sequence[Tracker],
    leaked: int = 0,
    decide: Callable[[pd.DataFrame], Decision] | None = None,
    checks: Checks | None = None,
) -> dict[str, Any]:
    """Score splits with a checkpoint as a stranger would load it, and leave everything in the run folder.

    Writes `predictions.parquet`, `metrics.json`, `figures/` and `report.html`, prints the table, and
    tells the trackers.

    Args:
        run: the run's folder.
        file: the checkpoint.
        data: prepared.
        splits: names of splits; `all` is every row. Those without an image are left out.
        device: where the network runs.
        trackers: open ones.
        leaked: how many of the images the detector was trained on.
        decide: gives the decision from the predictions of the split `val`; None takes the checkpoint's.
        checks: what is asked beyond the score, of each split.

    Returns:
        What `metrics.json` holds.
    """
    network, card = checkpoint.load(file)
    decision = card.decision
    tables = {}
    for split in splits:
        rows = data.rows if split == "all" else data.split(split)
        if not rows.empty:
            tables[split] = score(network, data, rows, device, decision).assign(split=split)
    if decide is not None:
        decision = decide(tables["val"])
        tables = {split: decided(predictions, decision) for split, predictions in tables.items()}
    entries, panels = {}, {}
    step = int(checkpoint.read(file)["global_step"])
    for split, predictions in tables.items():
        entries[split] = analyse(predictions, decision.threshold)
        items = explain_rows(network, data, choose_rows(predictions, PANEL_COUNT, PANEL_SEED))
        panels[f"Grad-CAM, {split}"] = items
        mistakes = most_confident_mistakes(scored(predictions), decision.threshold)
        panels[f"Most confident mistakes, {split}"] = explain_rows(network, data, mistakes)
        _track(trackers, split, predictions, entries[split], items, step)
    checked = {} if checks is None else {
        split: run_checks(checks, network, data, predictions, device, decision)
        for split, predictions in tables.items()
    }  # fmt: skip
    predictions = pd.concat(tables.values(), ignore_index=True)
    findings = [line for done in checked.values() for line in done.findings]
    metrics: dict[str, Any] = {
        "checkpoint": str(file),
        "model": card.options.get("model_name", card.model),
        "dataset": ", ".join(sorted(set(predictions["dataset"]))),
        "protocol": manifest.protocol_hash(data.rows),
        "protocol_name": data.protocol_name,
        "leaked": leaked,
        "checks": {split: done.metrics for split, done in checked.items()},
        "doubts": [*findings, *doubts(card.preprocess.face, data), *decision.notes()],
        "decision": {**decision.to_json(), "words": decision.describe()},
        "splits": entries,
        "latency": measure_latency(network, card.preprocess, device),
    }
    manifest.write_table(predictions, run / "predictions.parquet")
    spec = card.preprocess
    detector = {"model": card.model, **card.options, **spec.to_json(), "face": describe(spec.face)}
    sections = [section for done in checked.values() for section in done.sections]
    environment = _environment(device)
    report = write_report(
        run, metrics, predictions, panels, detector=detector, environment=environment, checks=sections
    )
    track_summary(trackers, metrics, file)
    console = Console()
    console.print(table(metrics))
    latency = metrics["latency"]
    console.print(
        f"Latency per image: median {latency['median_ms']:.1f} ms, 95th percentile {latency['p95_ms']:.1f} ms "
        f"(batch 1, {latency['device']})"
    )
    for name, path in {"Report": report, "Panels and figures": run / "figures", "Checkpoint": file}.items():
        console.print(f"{name}: {path}", soft_wrap=True, highlight=False)
    return metrics


def analyse(predictions: pd.DataFrame, threshold: float) -> dict[str, Any]:
    """The numbers of one split: of its images; of its videos, where there are any; and of its parts.

    Args:
        predictions: one row an image, with `score` and `face_status`.
        threshold: an image or a video is called fake above it.
    """
    entry = summarise(predictions, threshold)
    if predictions["video"].notna().any():
        entry["video"] = summarise(to_videos(predictions), threshold, level="video")
    entry["parts"] = breakdown(scored(predictions), threshold)
    return entry


def _track(
    trackers: Sequence[Tracker],
    split: str,
    predictions: pd.DataFrame,
    entry: dict[str, Any],
    items: Sequence[PanelItem],
    step: int,
) -> None:
    rows = scored(predictions)
    curves = {}
    if min(entry["real"], entry["fake"]) > 0:
        curves = {"roc": roc_curve(rows["label"], rows["score"]), "pr": pr_curve(rows["label"], rows["score"])}
    track_curves(trackers, f"best/{split}", curves, np.asarray(entry["confusion"]), step, entry["threshold"])
    track_panel(trackers, f"best/{split}", items, step, entry["threshold"])


def _environment(device: torch.device) -> dict[str, str]:
    packages = (
        "fake-image-detection",
        "torch",
        "torchvision",
        "lightning",
        "numpy",
        "opencv-python-headless",
    )
    return {
        "device": str(device),
        "python": platform.python_version(),
        "system": platform.platform(),
        **{name: version(name) for name in packages},
    }
