"""The story of an evaluation: checkpoint and data in, or scores that exist; numbers, pictures and report out."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from fakedet.augment.suite import Suite
from fakedet.config import EvaluateConfig, check_keys
from fakedet.data.datamodule import DataModule
from fakedet.data.manifest import check_videos, protocol_hash
from fakedet.data.mix import Mix
from fakedet.detector.decision import Decision
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError
from fakedet.evaluation import predictions as table_of_scores
from fakedet.evaluation.checks import Checks
from fakedet.evaluation.conclusion import Question, conclude, report_on
from fakedet.evaluation.faces import check_policy
from fakedet.evaluation.levels import check_pooling
from fakedet.evaluation.overlap import overlaps, refusal, sentence
from fakedet.evaluation.scoring import choose_device, decided, require_exact_fp32
from fakedet.instantiation import instantiate
from fakedet.models import checkpoint
from fakedet.tracking import Tracker, open_trackers

_ALL = "all"


def evaluate(config: EvaluateConfig) -> None:
    """Score a checkpoint on the test split of its own data, or on other data, and write the report.

    With `predictions=` nothing is scored: numbers and report are made again from the scores of an earlier run.

    Raises:
        UserError: for a checkpoint or data that cannot be used, and for images it was trained on.
    """
    check_keys(config)
    check_pooling(config.pooling)
    if config.predictions is not None:
        again(config)
        return
    require_exact_fp32()
    file = checkpoint.find(Path(config.ckpt))
    _, card = checkpoint.load(file)
    run = Path(config.run.dir)
    section = card.data if config.data is None else config.data
    data = _find_data(section, config, card.preprocess, run / "quarantine.csv")
    has_test = config.data is None or _is_cut(config.data) or data.has_own_splits
    split = config.split or ("test" if has_test else _ALL)
    # Of its own data the training has decided which sets are tested.
    if config.split is None and config.data is not None and not _is_cut(config.data) and isinstance(data, Mix):
        check_tested(data)
    rows = data.rows if split == _ALL else data.split(split)
    if rows.empty:
        raise UserError(f"split={split} holds no image; choose train, val, test or all.")
    check_videos(rows)
    check_policy(config.no_face or card.preprocess.no_face, data)
    leaks = overlaps(card.trained_on, rows, data.file_digests(rows))
    if leaks and not config.allow_leak:
        raise UserError(refusal(leaks, len(rows), data))
    checks = Checks(_suite(config), config.shortcut, config.explanations)
    found = [sentence(leaks, len(rows))] if leaks else []
    question = Question("evaluate", (split,), config.pooling, config.no_face, checks, found)
    device = choose_device(config.device)
    with _trackers(config) as trackers:
        conclude(run, file, data, question, device, trackers)


def check_tested(data: Mix) -> None:
    """Refuse to leave out a whole data set of a mixture because it brings no test split of its own.

    Raises:
        UserError: which names it.
    """
    splits = data.rows.groupby(data.member(data.rows))["split"].agg(set)
    without = [str(name) for name, there in splits.items() if "test" not in there]
    if without and len(without) < len(splits):
        raise UserError(
            f"data.sets: {', '.join(without)} has no test split of its own and would be left out: "
            "choose split=all, or evaluate it by itself."
        )


def again(config: EvaluateConfig) -> None:
    """Numbers and report of an earlier run once more: its images and its checkpoint are not needed.

    With `data=` the images get what that data says of them (groups, methods, videos); it must be the same data.

    Raises:
        UserError: for predictions that cannot be used, or are not of that data.
    """
    assert config.predictions is not None
    if not OmegaConf.is_missing(config, "ckpt") or config.robustness is not None or config.no_face is not None:
        raise UserError("predictions= scores nothing, so ckpt=, robustness= and no_face= do not go with it.")
    rows, about = table_of_scores.read(Path(config.predictions))
    if config.data is not None:
        spec = PreprocessSpec.from_json(about["detector"]["preprocess"])
        data = _find_data(config.data, config, spec, None)
        before = list(rows["group"])
        rows = table_of_scores.with_manifest(rows, pd.concat([data.rows, data.missed], ignore_index=True))
        about |= {"protocol": protocol_hash(data.called(data.rows)), "protocol_name": data.protocol_name}
        if list(rows["group"]) != before:
            about["checks"] = {}  # their intervals are over the other groups
    if config.split is not None and config.split != _ALL:
        rows = rows[rows["split"] == config.split]
    rows = decided(rows, Decision.from_json(about["decision"]))
    if rows.empty:
        raise UserError(f"split={config.split} is not among the predictions in {config.predictions}.")
    tables = {str(split): part.reset_index(drop=True) for split, part in rows.groupby("split", sort=False)}
    about |= {"pooling": config.pooling, "entry": "evaluate"}
    with _trackers(config) as trackers:
        report_on(Path(config.run.dir), about, tables, trackers)


@contextmanager
def _trackers(config: EvaluateConfig) -> Iterator[Sequence[Tracker]]:
    with open_trackers({name: partial(instantiate, tracker) for name, tracker in config.logger.items()}) as trackers:
        settings: Any = OmegaConf.to_container(config, resolve=True)
        for tracker in trackers:
            tracker.log_hyperparams({name: value for name, value in settings.items() if name != "hydra"})
        yield trackers


def _suite(config: EvaluateConfig) -> Suite | None:
    if config.explanations < 0:
        raise UserError(f"explanations={config.explanations} is below 0.")
    suite: Suite | None = None if config.robustness is None else instantiate(config.robustness)
    return suite


def _find_data(
    chosen: Mapping[str, Any], config: EvaluateConfig, spec: PreprocessSpec, quarantine_file: Path | None
) -> DataModule:
    section = dict(chosen)
    if config.data is not None and config.split in (None, _ALL) and not _is_cut(section):
        # Nothing is to be split, so that a few groups are enough; splits that the data has are honoured.
        section |= {name: 0.0 for name in ("val_share", "test_share") if name in section}
    data: DataModule = instantiate(section, spec=spec, quarantine_file=quarantine_file)
    return data.prepare()


def _is_cut(section: Mapping[str, Any]) -> bool:
    """Whether the data is asked for with a protocol that cuts splits of its own."""
    return section.get("split", "official") != "official"
