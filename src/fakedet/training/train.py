"""The story of a training run: data, network, fit, and a report on what was learned."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from omegaconf import OmegaConf

from fakedet.config import DecisionConfig, TrainConfig, check_keys, check_seed, preprocess_spec
from fakedet.data.datamodule import UNREADABLE, DataModule
from fakedet.data.manifest import protocol_hash
from fakedet.detector.decision import Decision
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError
from fakedet.evaluation.conclusion import Question, conclude
from fakedet.evaluation.decision import check_wanted, fit_decision
from fakedet.evaluation.faces import check_policy
from fakedet.evaluation.overlap import overlaps, remember, sentence
from fakedet.evaluation.scoring import require_exact_fp32
from fakedet.instantiation import instantiate
from fakedet.models import check_preprocess, check_size, checkpoint
from fakedet.models.registry import Network
from fakedet.tracking import open_trackers
from fakedet.training.module import DetectorModule
from fakedet.training.trainer import build_trainer, check_best

log = logging.getLogger(__name__)


def train(config: TrainConfig) -> None:
    """Train a detector, choose its checkpoint on validation data, test it, and write the report.

    Raises:
        UserError: for anything that the caller can mend; what was written before stays.
    """
    run = Path(config.run.dir)
    check_keys(config)
    require_exact_fp32()
    check_wanted(config.decision.calibration, config.decision.false_positive_rate)
    check_seed(config.seed)
    seed_everything(config.seed, verbose=False)
    data = _build_data(config, run)
    network: Network = instantiate(config.model)
    check_preprocess(network, data.spec)
    check_size(network, data.spec.size)
    card = _card(config, network, data)
    module = DetectorModule(network, card, instantiate(config.optimizer), config.schedule, config.loss, config.seed)
    last = _last_state(config, card, data)
    factories = {name: partial(instantiate, tracker) for name, tracker in config.logger.items()}
    with open_trackers(factories) as trackers:
        trainer = build_trainer(config, trackers)
        check_best(trainer)
        for tracker in trackers:
            tracker.log_hyperparams(_plain(config))
        if trainer.is_global_zero:
            _describe(data, network, trainer)
        try:
            trainer.fit(module, datamodule=data, ckpt_path=last, weights_only=True)
        except MisconfigurationException as error:
            raise UserError(f"trainer: {' '.join(str(error).split())}") from error
        if trainer.is_global_zero:
            data.trainer = None  # what follows runs in this process alone
            file = checkpoint.find(run)
            decide = partial(_decide, config.decision, file, data.protocol_name)
            question = Question("train", ("val", "test"), leaks=_leaks(card, data))
            conclude(run, file, data, question, trainer.strategy.root_device, trackers, decide)
            _suggest(run)


def _decide(wanted: DecisionConfig, file: Path, protocol: str, predictions: pd.DataFrame) -> Decision:
    """Fit calibration and threshold on validation predictions, and keep them in the checkpoint."""
    decision = fit_decision(
        predictions,
        protocol=protocol,
        false_positive_rate=wanted.false_positive_rate,
        calibration=wanted.calibration,
    )
    checkpoint.write_decision(file, decision)
    return decision


def _plain(config: Any) -> dict[str, Any]:
    plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    return plain


def _build_data(config: TrainConfig, run: Path) -> DataModule:
    spec = preprocess_spec(config.preprocess)
    augment = instantiate(config.augmentation)
    data: DataModule = instantiate(
        config.data, spec=spec, augment=augment, seed=config.seed, quarantine_file=run / "quarantine.csv"
    )
    data.prepare()
    data.spec = _adopt_crops(data)
    duplicates = data.leave_out_duplicates()
    if duplicates:
        log.info("%d training images stand byte for byte in validation or test too and are left out", duplicates)
    check_policy(data.spec.no_face, data)
    data.check_trainable()
    return data


def _adopt_crops(data: DataModule) -> PreprocessSpec:
    """The detector cuts faces out as its training images were cut, which the prepared data knows best."""
    wanted, crops = data.spec.face, data.crops
    if crops is None:
        return data.spec
    if wanted is not None and replace(wanted, version=crops.version) != crops:
        raise UserError(
            f"preprocess.face is not how the images of {data.root} were cut out ({crops.to_json()}): leave it out, "
            "or prepare the data again."
        )
    return replace(data.spec, face=crops)


def _card(config: TrainConfig, network: Network, data: DataModule) -> checkpoint.Card:
    rows = data.split("train")
    datasets, trained_on = set(rows["dataset"]), remember(rows, data.file_digests(rows))
    for file in network.weight_files:  # a network knows what its weights have seen, whoever trained it before
        names, digests = checkpoint.learned_from(file)
        datasets, trained_on = datasets.union(names), trained_on.and_also(digests)
    return checkpoint.Card(
        model=network.name,
        options=network.options,
        preprocess=data.spec,
        data={**_plain(config)["data"], "root": str(Path(config.data["root"]).resolve())},  # wherever it is evaluated
        protocol=protocol_hash(data.called(data.rows)),
        protocol_name=data.protocol_name,
        datasets=tuple(sorted(datasets)),
        images=len(rows),
        trained_on=trained_on,
    )


def _leaks(card: checkpoint.Card, data: DataModule) -> list[str]:
    """What test images share with others: some official protocols leak by construction, which is said."""
    rows, validated = data.split("test"), data.split("val")
    digests, chosen_on = data.file_digests(rows), data.file_digests(validated)
    found = overlaps(card.trained_on, rows, digests)
    twice = int((np.isin(digests, chosen_on) & (digests != UNREADABLE)).sum())
    said = [sentence(found, len(rows))] if found else []
    if twice:
        both = f"{twice} of {len(rows)} test images stand byte for byte in the validation split too"
        said.append(f"{both}, on which checkpoint and threshold were chosen.")
    return said


def _last_state(config: TrainConfig, card: checkpoint.Card, data: DataModule) -> Path | None:
    """The checkpoint to go on from, if any; the data then goes on where the epoch was left.

    Raises:
        UserError: when the run is over, or data or network are not those that it had.
    """
    if config.resume is None:
        return None
    file = checkpoint.find(Path(config.resume), checkpoint.LAST)
    state = checkpoint.read(file)
    stored = state["fakedet"]
    if stored["protocol"] != card.protocol:
        raise UserError(
            f"resume={config.resume}: the data is not what it was trained on; files or splits have changed."
        )
    if (stored["model"], stored["options"]) != (card.model, dict(card.options)):
        raise UserError(f"resume={config.resume} trains {stored['model']} {stored['options']}, not another network.")
    _check_optimizer(config, state["optimizer_states"][0]["param_groups"][0])
    loop = state["loops"]["fit_loop"]
    epochs = loop["epoch_progress"]["current"]
    report = Path(config.resume) / "metrics.json"
    if epochs["processed"] >= config.trainer["max_epochs"] and report.is_file():
        raise UserError(
            f"resume={config.resume} has finished its {config.trainer['max_epochs']} epochs; "
            "raise trainer.max_epochs to train on."
        )
    if epochs["started"] > epochs["processed"]:
        data.start_at(epochs["processed"], loop["epoch_loop.batch_progress"]["current"]["processed"])
    return file


def _check_optimizer(config: TrainConfig, group: Mapping[str, Any]) -> None:
    """Refuse what would be silently undone: a state brings the optimizer's settings along."""
    for name, value in config.optimizer.items():
        kept = group.get("initial_lr" if name == "lr" else str(name), value)
        kept = list(kept) if isinstance(kept, tuple) else kept
        if kept != value:
            raise UserError(
                f"resume={config.resume} goes on with optimizer.{name}={kept}, so {value} would do nothing: to train "
                f"on with it, begin a new run with model.weights={config.resume}/checkpoints/last.ckpt."
            )


def _describe(data: DataModule, network: Network, trainer: Trainer) -> None:
    log.info("Protocol: %s", data.protocol_name)
    for reason, count in data.dropped.items():
        log.info("left out: %d images, %s", count, reason)
    for split in ("train", "val", "test"):
        rows = data.split(split)
        fakes = int((rows["label"] == 1).sum())
        log.info(
            "%s: %d real and %d fake images in %d groups",
            split,
            len(rows) - fakes,
            fakes,
            rows["group"].nunique(),
        )
    parameters = sum(parameter.numel() for parameter in network.parameters())
    where = f"on {trainer.strategy.root_device}, {trainer.precision}"
    log.info(
        "%s, %.1f million parameters, %s, %d loading processes",
        network.name,
        parameters / 1e6,
        where,
        data.workers,
    )


def _suggest(run: Path) -> None:
    """Three commands to go on with."""
    log.info(
        "\nNext:\n"
        "  make eval ckpt=%s\n"
        "  python src/train.py data=folder data.root=/your/images   # with real/ and fake/ in it\n"
        "  python src/train.py -m model=mobilenetv2,resnet18 optimizer.lr=1e-4,5e-4   # compare in W&B",
        run,
    )
