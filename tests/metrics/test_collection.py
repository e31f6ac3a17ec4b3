import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics import MetricCollection

from fakedet.metrics import scores
from fakedet.metrics.collection import Results, detection_metrics, results, training_metrics
from fakedet.metrics.curves import pr_curve, roc_curve
from fakedet.metrics.ranking import Ranking

# What a training is watched by; the report has more.
LOGGED = ("auc", "ap", "eer", "accuracy", "balanced_accuracy", "precision", "recall", "f1")


def _data(size: int = 157, decimals: int = 2) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(size)
    labels = torch.tensor(rng.integers(0, 2, size))
    return torch.tensor(np.round(rng.random(size), decimals), dtype=torch.float32), labels


def _fed(collection: MetricCollection, probabilities: Tensor, labels: Tensor, batch: int = 32) -> MetricCollection:
    for start in range(0, len(labels), batch):
        collection.update(probabilities[start : start + batch], labels[start : start + batch])
    return collection


def _check_against_definitions(found: Results, probabilities: Tensor, labels: Tensor, prefix: str) -> None:
    ranking = Ranking(labels.numpy(), probabilities.double().numpy())
    expected = scores.measure(ranking)
    assert set(found.scalars) == {f"{prefix}{name}" for name in LOGGED}
    for name in LOGGED:
        assert found.scalars[f"{prefix}{name}"] == pytest.approx(float(expected[name]), abs=1e-6), name
    np.testing.assert_array_equal(found.confusion, scores.confusion(labels.numpy(), probabilities.numpy()))


@pytest.mark.parametrize("size", [2, 3, 10, 157, 1000])
def test_log_and_report_give_equal_numbers(size: int) -> None:
    probabilities, labels = _data(size, decimals=1)
    labels[:2] = torch.tensor([0, 1])
    found = results(_fed(detection_metrics("val/"), probabilities, labels))
    _check_against_definitions(found, probabilities, labels, "val/")
    assert found.gap is None
    values = probabilities.double().numpy()
    for actual, expected in zip(found.curves["roc"][:2], roc_curve(labels.numpy(), values)[:2], strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-6)
    for actual, expected in zip(found.curves["pr"], pr_curve(labels.numpy(), values), strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_clones_and_epochs_do_not_mix() -> None:
    val = detection_metrics("val/")
    test = val.clone(prefix="test/")
    probabilities, labels = _data()
    _fed(val, 1 - probabilities, labels)
    _fed(test, probabilities, labels)
    _check_against_definitions(results(val), 1 - probabilities, labels, "val/")
    _check_against_definitions(results(test), probabilities, labels, "test/")
    val.reset()
    _fed(val, probabilities[:50], labels[:50])
    _check_against_definitions(results(val), probabilities[:50], labels[:50], "val/")


def test_scores_are_kept_once_for_all_ranked_metrics() -> None:
    collection = _fed(detection_metrics("val/"), *_data())
    members = dict(collection.items(keep_base=True, copy_state=False))
    ranked = ("auc", "ap", "eer", "roc", "pr")
    assert len({id(members[name].preds) for name in ranked}) == 1
    assert len({id(members[name].tp) for name in ("accuracy", "balanced_accuracy", "precision", "recall", "f1")}) == 1


@pytest.mark.parametrize(("label", "lacking"), [(0, "fake"), (1, "real")])
def test_one_class_says_so_and_gives_gaps(label: int, lacking: str) -> None:
    collection = _fed(detection_metrics("val/"), torch.tensor([0.2, 0.7, 0.9]), torch.full((3,), label))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = results(collection)
    assert found.gap is not None
    assert found.gap.startswith(f"val has no {lacking} image")
    expected = scores.measure(Ranking([label] * 3, [0.2, 0.7, 0.9]))
    for name in LOGGED:
        assert found.scalars[f"val/{name}"] == pytest.approx(float(expected[name]), abs=1e-6, nan_ok=True), name
    assert np.isnan(found.scalars["val/auc"])
    assert found.curves == {}


def test_nothing_seen_gives_gaps() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = results(detection_metrics("test/"))
    assert set(found.scalars) == {f"test/{name}" for name in LOGGED}
    assert all(np.isnan(value) for value in found.scalars.values())
    assert found.gap == "test has no scored image, so it has no metrics."


def test_training_collection_is_auc_and_accuracy() -> None:
    probabilities, labels = _data()
    found = results(_fed(training_metrics(), probabilities, labels))
    expected = scores.measure(Ranking(labels, probabilities))
    assert found.scalars == {
        "train/auc": pytest.approx(float(expected["auc"]), abs=1e-6),
        "train/accuracy": pytest.approx(float(expected["accuracy"]), abs=1e-6),
    }
    assert found.curves == {}


def _process(rank: int, store: str, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    probabilities, labels = _data()
    # The first process sees fakes only, and more of them: neither could compute the result alone.
    mine = (labels == 1) & (torch.arange(len(labels)) % 4 > 0) if rank == 0 else (labels == 0)
    found = results(_fed(detection_metrics("val/"), probabilities[mine], labels[mine]))
    torch.save({"scalars": found.scalars, "confusion": found.confusion.tolist()}, Path(folder) / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_compute_over_the_data_of_both(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(_process, args=(str(tmp_path / "store"), str(tmp_path)), nprocs=2)
    probabilities, labels = _data()
    used = (labels == 0) | (torch.arange(len(labels)) % 4 > 0)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first == second
    found = Results(first["scalars"], {}, np.array(first["confusion"]), None)
    _check_against_definitions(found, probabilities[used], labels[used], "val/")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_gives_the_same() -> None:
    probabilities, labels = _data()
    found = results(_fed(detection_metrics("val/").to("cuda"), probabilities.cuda(), labels.cuda()))
    _check_against_definitions(found, probabilities, labels, "val/")
