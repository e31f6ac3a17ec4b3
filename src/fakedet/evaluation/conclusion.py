"""From a checkpoint and data to predictions, and from predictions to numbers, pictures and the report."""

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from rich.console import Console

from fakedet.data import manifest
from fakedet.data.datamodule import DataModule
from fakedet.data.prepared import read_audit
from fakedet.detector.decision import Decision
from fakedet.evaluation import predictions as table_of_scores
from fakedet.evaluation.breakdown import breakdown
from fakedet.evaluation.checks import Checks, run_checks, sections_of
from fakedet.evaluation.faces import coverage, score_missed
from fakedet.evaluation.latency import measure_latency
from fakedet.evaluation.levels import to_videos
from fakedet.evaluation.provenance import describe, doubts
from fakedet.evaluation.report import most_confident_mistakes, write_report
from fakedet.evaluation.scoring import decided, score
from fakedet.evaluation.statuses import GIVEN
from fakedet.evaluation.summary import scored, summarise, table
from fakedet.evaluation.tracked import track_curves, track_panel, track_summary
from fakedet.explain.panel import choose_rows, explain_rows
from fakedet.figures.panel import PanelItem
from fakedet.metrics.curves import pr_curve, roc_curve
from fakedet.models import checkpoint
from fakedet.tracking import Tracker

EXAMPLES, MISTAKES = "Grad-CAM", "Most confident mistakes"  # panels of every split
PANEL_COUNT, PANEL_SEED = 6, 0  # reals, and as many fakes
_PACKAGES = ("fake-image-detection", "torch", "torchvision", "lightning", "numpy", "opencv-python-headless")


@dataclass(frozen=True)
class Question:
    """What is asked of a detector.

    Attributes:
        entry: the command, `train` or `evaluate`.
        splits: of the data; `all` is every row. Those without an image are left out.
        pooling: how the scores of a video's frames become the video's; see `levels.to_videos`.
        no_face: what becomes of pictures without a face; None is what the detector declares.
        checks: what is asked beyond the score, of each split; None asks nothing.
        leaks: sentences on what the detector was trained on among the images.
    """

    entry: str
    splits: Sequence[str]
    pooling: str = "mean"
    no_face: str | None = None
    checks: Checks | None = None
    leaks: Sequence[str] = field(default_factory=tuple)


def conclude(
    run: Path,
    file: Path,
    data: DataModule,
    question: Question,
    device: torch.device,
    trackers: Sequence[Tracker] = (),
    decide: Callable[[pd.DataFrame], Decision] | None = None,
) -> dict[str, Any]:
    """Score splits with a checkpoint as a stranger would load it, and leave everything in the run folder.

    Writes `predictions.parquet`, `metrics.json`, `figures/`, `model_card.md` and `report.html`, prints the
    table, and tells the trackers.

    Args:
        run: the run's folder.
        file: the checkpoint.
        data: prepared.
        question: what is asked.
        device: where the network runs.
        trackers: open ones.
        decide: gives the decision from the predictions of the split `val`; None takes the checkpoint's.

    Returns:
        What `metrics.json` holds.
    """
    network, card = checkpoint.load(file)
    decision = card.decision
    policy = question.no_face or card.preprocess.no_face
    tables = {}
    for split in question.splits:
        rows, missed = data.rows, data.missed
        if split != "all":
            rows, missed = (part[part["split"] == split].reset_index(drop=True) for part in (rows, missed))
        if rows.empty:
            continue
        parts = [score(network, data, rows, device, decision)]
        if len(missed):
            parts.append(score_missed(network, data, missed, device, decision, policy))
        tables[split] = pd.concat(parts, ignore_index=True).assign(split=split)
    if decide is not None:
        decision = decide(tables["val"])
        tables = {split: decided(predictions, decision) for split, predictions in tables.items()}
    state = checkpoint.read(file)
    spec = card.preprocess
    about: dict[str, Any] = {
        "entry": question.entry,
        "checkpoint": str(file),
        "model": card.options.get("model_name", card.model),
        "detector": {
            "name": f"{card.options.get('model_name', card.model)} ({_run_name(file)})",
            "trained_on": list(card.datasets),
            "images": card.images,
            "protocol": card.protocol_name,
            "preprocess": spec.to_json(),
        },
        "settings": {"model": card.model, **card.options, **spec.to_json(), "face": describe(spec.face)},
        "protocol": manifest.protocol_hash(data.called(data.rows)),
        "protocol_name": data.protocol_name,
        "leaks": list(question.leaks),
        "checks": {},
        "doubts": doubts(spec.face, data),
        "decision": decision.to_json(),
        "pooling": question.pooling,
        "no_face": policy,
        "audit": read_audit(data.root),
        "latency": measure_latency(network, spec, device),
        "environment": _environment(device),
        "step": int(state.get("global_step", 0)),  # a bare checkpoint has none
    }
    # The scores are what took long: a run that is killed in what follows has them (`predictions=`).
    run.mkdir(parents=True, exist_ok=True)
    table_of_scores.write(pd.concat(tables.values(), ignore_index=True), about, run)
    panels, checked, findings = {}, {}, []
    for split, predictions in tables.items():
        own = predictions[predictions["face_status"] == GIVEN].reset_index(drop=True)
        panels[f"{EXAMPLES}, {split}"] = explain_rows(network, data, choose_rows(own, PANEL_COUNT, PANEL_SEED))
        mistakes = most_confident_mistakes(scored(own), decision.threshold)
        panels[f"{MISTAKES}, {split}"] = explain_rows(network, data, mistakes)
        if question.checks is not None:
            done = run_checks(question.checks, network, data, own, device, decision, question.pooling)
            checked[split] = done.metrics
            findings += done.findings
    about |= {"checks": checked, "doubts": [*findings, *about["doubts"]]}
    return report_on(run, about, tables, trackers, panels)


def report_on(
    run: Path,
    about: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    trackers: Sequence[Tracker] = (),
    panels: Mapping[str, Sequence[PanelItem]] | None = None,
) -> dict[str, Any]:
    """Predictions to everything that a run leaves behind; neither pictures nor checkpoint are looked at.

    Args:
        run: the run's folder.
        about: what `predictions.write` keeps beside the rows.
        tables: split -> its predictions.
        trackers: open ones.
        panels: heading -> pictures with their heat maps.

    Returns:
        What `metrics.json` holds.
    """
    decision = Decision.from_json(about["decision"])
    together = pd.concat(tables.values(), ignore_index=True)
    entries = {}
    for split, predictions in tables.items():
        entries[split] = analyse(predictions, decision.threshold, about["pooling"])
        entries[split]["images_hash"] = manifest.protocol_hash(predictions)
        entries[split]["coverage"] = coverage(predictions, about["no_face"])
    metrics: dict[str, Any] = {
        **about,
        "dataset": ", ".join(sorted(set(together["dataset"]))),
        "doubts": [*about["doubts"], *decision.notes()],
        "decision": {**about["decision"], "words": decision.describe()},
        "splits": entries,
    }
    run.mkdir(parents=True, exist_ok=True)
    table_of_scores.write(together, about, run)
    sections = [section for split, found in about["checks"].items() for section in sections_of(found, split)]
    environment, settings = metrics.pop("environment"), metrics.pop("settings")
    page = write_report(
        run,
        metrics,
        together,
        panels or {},
        detector=settings,
        environment=environment,
        checks=sections,
        trackers=trackers,
        step=about["step"],
    )
    for split, predictions in tables.items():
        _track(trackers, split, predictions, entries[split], about["step"])
    for heading, items in (panels or {}).items():
        name, _, split = heading.partition(", ")
        part = "" if name == EXAMPLES else "/mistakes"
        track_panel(trackers, f"best/{split}{part}", items, about["step"], decision.threshold)
    if trackers:
        track_summary(trackers, metrics, Path(about["checkpoint"]))
    console = Console()
    console.print(table(metrics))
    latency = metrics["latency"]
    console.print(
        f"Latency per image: median {latency['median_ms']:.1f} ms, 95th percentile {latency['p95_ms']:.1f} ms "
        f"(batch 1, {latency['device']})"
    )
    places = {"Report": page, "Panels and figures": run / "figures", "Checkpoint": about["checkpoint"]}
    for name, path in places.items():
        console.print(f"{name}: {path}", soft_wrap=True, highlight=False)
    return metrics


def analyse(predictions: pd.DataFrame, threshold: float, pooling: str = "mean") -> dict[str, Any]:
    """The numbers of one split: of its images; of its videos, where there are any; and of its parts.

    Args:
        predictions: one row an image, with `score` and `face_status`.
        threshold: an image or a video is called fake above it.
        pooling: how the scores of a video's frames become the video's.
    """
    entry = summarise(predictions, threshold)
    if predictions["video"].notna().any():
        entry["video"] = summarise(to_videos(predictions, pooling), threshold, level="video")
        entry["video"]["pooling"] = pooling
    entry["parts"] = breakdown(scored(predictions), threshold)
    return entry


def _run_name(file: Path) -> str:
    """The run that a checkpoint is from: `<run>/checkpoints/best.ckpt`, or the name of a file that lies elsewhere."""
    return file.resolve().parent.parent.name if file.parent.name == "checkpoints" else file.stem


def _track(
    trackers: Sequence[Tracker],
    split: str,
    predictions: pd.DataFrame,
    entry: dict[str, Any],
    step: int,
) -> None:
    rows = scored(predictions)
    curves = {}
    if min(entry["real"], entry["fake"]) > 0:
        curves = {"roc": roc_curve(rows["label"], rows["score"]), "pr": pr_curve(rows["label"], rows["score"])}
    track_curves(trackers, f"best/{split}", curves, np.asarray(entry["confusion"]), step, entry["threshold"])


def _environment(device: torch.device) -> dict[str, str]:
    versions = {name: version(name) for name in _PACKAGES}
    return {"device": str(device), "python": platform.python_version(), "system": platform.platform(), **versions}
