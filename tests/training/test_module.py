"""Loss, optimiser, schedule and evaluation of the LightningModule, on real data modules and trainers."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer
from torch import nn

from fakedet.config import LossConfig, ScheduleConfig
from fakedet.data.benchmarks.folder import Folder
from fakedet.data.images import Batch
from fakedet.detector.spec import PreprocessSpec
from fakedet.detector.trained_on import TrainedOn
from fakedet.errors import UserError
from fakedet.metrics import scores
from fakedet.metrics.collection import WATCHED
from fakedet.metrics.ranking import Ranking
from fakedet.models import build
from fakedet.models.checkpoint import Card
from fakedet.training.module import DetectorModule

SPEC = PreprocessSpec(size=32)


def make_module(
    name: str = "timm", smoothing: float = 0.0, schedule: ScheduleConfig | None = None, lr: float = 1e-3
) -> DetectorModule:
    network = build("timm", model_name="test_resnet") if name == "timm" else build(name)
    card = Card(name, network.options, SPEC, {}, "", "", (), 0, TrainedOn())
    optimizer = partial(torch.optim.AdamW, lr=lr, weight_decay=0.1)
    return DetectorModule(network, card, optimizer, schedule or ScheduleConfig(), LossConfig(smoothing))


def plain_trainer(**options: object) -> Trainer:
    quiet = dict.fromkeys(("enable_progress_bar", "enable_model_summary", "enable_checkpointing", "logger"), False)
    return Trainer(accelerator="cpu", use_distributed_sampler=False, **{**quiet, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def images(make_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data") / "images", groups=20, size=40)


@pytest.fixture
def data(images: Path) -> Folder:
    module = Folder(
        root=str(images), batch_size=4, workers=0, balance=["label"], limit=None, val_share=0.25, test_share=0.25,
        split_seed=0, max_unreadable=0.0, spec=SPEC, augment=lambda image, seed: image,
    )  # fmt: skip
    module.prepare()
    return module


def _batches(data: Folder) -> Iterator[Batch]:
    return iter(data.val_dataloader())


def test_the_smoothed_loss_is_the_one_that_is_defined(data: Folder) -> None:
    batch = next(_batches(data))
    for smoothing in (0.0, 0.2):
        module = make_module(smoothing=smoothing).eval()
        with torch.no_grad():
            loss = module.training_step(batch, 0)
            probability = module(batch["image"]).sigmoid().double()
        target = batch["label"] * (1 - smoothing) + smoothing / 2
        expected = -(target * probability.log() + (1 - target) * (1 - probability).log()).mean()
        assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_norms_and_biases_are_not_decayed_and_every_weight_is_trained_once() -> None:
    module = make_module("mobilenetv2")
    module.trainer = plain_trainer(max_steps=10)
    decayed, others = module.configure_optimizers()["optimizer"].param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    kinds: dict[int, nn.Module] = {
        id(parameter): owner for owner in module.network.modules() for parameter in owner.parameters(recurse=False)
    }
    assert {type(kinds[id(parameter)]) for parameter in decayed["params"]} == {nn.Conv2d, nn.Linear}
    assert all(parameter.ndim > 1 for parameter in decayed["params"])
    norms = [kinds[id(parameter)] for parameter in others["params"]]
    assert {type(owner) for owner in norms} == {nn.BatchNorm2d, nn.Linear}
    trained = [*decayed["params"], *others["params"]]
    assert {id(parameter) for parameter in trained} == {id(parameter) for parameter in module.network.parameters()}
    assert len(trained) == len({id(parameter) for parameter in trained})


def test_warm_up_is_linear_and_then_comes_a_cosine() -> None:
    module = make_module(schedule=ScheduleConfig(warmup=0.1, final=0.01), lr=2.0)
    module.trainer = plain_trainer(max_steps=100)
    built = module.configure_optimizers()
    optimizer, scheduler = built["optimizer"], built["lr_scheduler"]["scheduler"]
    assert built["lr_scheduler"]["interval"] == "step"
    rates = []
    for _ in range(101):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[0] == pytest.approx(0.2)
    assert rates[4] == pytest.approx(1.0)
    assert rates[9] == rates[10] == pytest.approx(2.0)
    assert rates[55] == pytest.approx(2.0 * (0.01 + 0.99 * 0.5))
    assert rates[70] == pytest.approx(2.0 * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * 60 / 90))))
    assert rates[100] == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("loss", "schedule", "sentence"),
    [
        (-0.1, ScheduleConfig(), "loss.label_smoothing=-0.1 is not a share"),
        (0.0, ScheduleConfig(warmup=1.1), "schedule.warmup=1.1 is not a share"),
        (0.0, ScheduleConfig(final=-1), "schedule.final=-1 is not a share"),
    ],
)
def test_a_share_that_is_none_is_refused(loss: float, schedule: ScheduleConfig, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        make_module(smoothing=loss, schedule=schedule)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_validation_and_test_are_in_fp32_and_their_metrics_are_those_of_the_definitions(
    precision: str, data: Folder
) -> None:
    module = make_module()
    trainer = plain_trainer(precision=precision, max_epochs=2)
    trainer.fit(module, datamodule=data)
    for split, logged in (("val", trainer.validate), ("test", trainer.test)):
        values = logged(module, datamodule=data, verbose=False)[0]
        assert module.scored is not None
        index, logits = module.scored
        rows = data.split(split)
        assert index.tolist() == list(range(len(rows)))
        module.eval()
        with torch.no_grad():
            expected = torch.cat([module.network(batch["image"]) for batch in data.evaluation_loader(rows)])
        torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)
        assert logits.dtype == torch.float32
        measured = scores.measure(Ranking(rows["label"].to_numpy(), logits.sigmoid().numpy()))
        for name in WATCHED:
            assert values[f"{split}/{name}"] == pytest.approx(float(measured[name]), abs=1e-6, nan_ok=True), name
        loss = nn.functional.binary_cross_entropy_with_logits(logits, torch.tensor(rows["label"].to_numpy()).float())
        assert values[f"{split}/loss"] == pytest.approx(float(loss), rel=1e-5)


def test_training_computes_in_bf16_where_it_is_asked_to(data: Folder) -> None:
    seen: dict[str, set[torch.dtype]] = {"training": set(), "validation": set()}
    module = make_module()

    def note(layer: nn.Module, inputs: object, output: torch.Tensor) -> None:
        seen["training" if layer.training else "validation"].add(output.dtype)

    convolution = next(layer for layer in module.network.modules() if isinstance(layer, nn.Conv2d))
    convolution.register_forward_hook(note)
    plain_trainer(precision="bf16-mixed", max_epochs=1).fit(module, datamodule=data)
    assert seen == {"training": {torch.bfloat16}, "validation": {torch.float32}}


def test_weights_and_batches_stay_channels_last(data: Folder) -> None:
    module = make_module()
    seen: list[bool] = []
    convolution = next(layer for layer in module.network.modules() if isinstance(layer, nn.Conv2d))
    convolution.register_forward_pre_hook(
        lambda layer, inputs: seen.append(inputs[0].is_contiguous(memory_format=torch.channels_last))
    )
    plain_trainer(max_epochs=1).fit(module, datamodule=data)
    assert len(seen) > 4
    assert all(seen)
    for layer in module.network.modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1):
            assert layer.weight.is_contiguous(memory_format=torch.channels_last)


def test_scores_that_are_not_finite_end_the_training_in_one_sentence(data: Folder) -> None:
    module = make_module()
    with torch.no_grad():
        next(module.network.head.parameters()).fill_(math.nan)
    with pytest.raises(UserError, match=r"diverged.*lower optimizer\.lr"):
        plain_trainer().validate(module, datamodule=data, verbose=False)


def test_nothing_is_a_hyper_parameter_of_lightning() -> None:
    assert not make_module().hparams
