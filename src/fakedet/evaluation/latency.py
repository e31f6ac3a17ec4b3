"""Time for one image through the network."""

import platform
import time
from pathlib import Path

import numpy as np
import torch

from fakedet.detector.spec import PreprocessSpec
from fakedet.models.registry import Network

WARM_UP, REPETITIONS = 5, 30


def measure_latency(network: Network, spec: PreprocessSpec, device: torch.device) -> dict[str, float | str]:
    """Milliseconds from one preprocessed image to its logit: batch 1, fp32, channels last.

    Returns:
        `median_ms` and `p95_ms` over 30 passes after five to warm up, and `device` by name with the
        number of threads that the CPU used.
    """
    network = network.to(device)
    image = torch.zeros(1, 3, spec.size, spec.size, device=device).contiguous(memory_format=torch.channels_last)
    times = []
    with torch.inference_mode():
        for _ in range(WARM_UP + REPETITIONS):
            start = time.perf_counter()
            network(image).item()  # waits for the device
            times.append(1000 * (time.perf_counter() - start))
    counted = times[WARM_UP:]
    return {
        "median_ms": float(np.median(counted)),
        "p95_ms": float(np.percentile(counted, 95)),
        "device": _name(device),
    }


def _name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return device.type
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    threads = torch.get_num_threads()
    return f"{models[0] if models else platform.machine()}, {threads} thread{'s' if threads > 1 else ''}"
