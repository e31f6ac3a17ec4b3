"""Latency is that of one image, in milliseconds, on a device that is named."""

import time

import pytest
import torch
from torch import nn

from fakedet.detector.spec import PreprocessSpec
from fakedet.evaluation.latency import measure_latency
from fakedet.models.registry import Network


class _Slow(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.seen: list[torch.Size] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append(images.shape)
        time.sleep(0.05 if len(self.seen) <= 5 else 0.02 if len(self.seen) % 10 else 0.1)
        return self.weight.expand(len(images), 1)


def test_median_and_95th_percentile_of_single_images_after_a_warm_up() -> None:
    slow = _Slow()
    network = Network(slow, stages=[], head=[], cam_layer=None)
    found = measure_latency(network, PreprocessSpec(size=48), torch.device("cpu"))
    assert set(slow.seen) == {torch.Size([1, 3, 48, 48])}
    assert len(slow.seen) == 35
    assert 20 <= float(found["median_ms"]) < 45
    assert float(found["p95_ms"]) >= 100
    threads = torch.get_num_threads()
    assert str(found["device"]).endswith(f"{threads} thread{'s' if threads > 1 else ''}")


@pytest.mark.parametrize("threads", [1, 2])
def test_the_threads_are_named(threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        network = Network(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 1)), stages=[], head=["1"], cam_layer=None)
        found = measure_latency(network, PreprocessSpec(size=32), torch.device("cpu"))
    finally:
        torch.set_num_threads(before)
    assert f"{threads} thread" in str(found["device"])
