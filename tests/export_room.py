"""Networks with random weights, and cards for their files."""

from dataclasses import dataclass

import onnx
import torch

from fakedet.detector.card import DetectorCard
from fakedet.detector.decision import Calibration, Decision
from fakedet.detector.spec import PreprocessSpec
from fakedet.detector.trained_on import TrainedOn
from fakedet.models.registry import Network, build

SIDE = 64
# Two steps that are steeper than fp32 can tell, between level parts and slopes.
KNOTS = ((-1.0, 0.05), (-0.5, 0.2), (-0.2, 0.2), (0.1, 0.4), (0.1 + 1e-12, 0.7), (0.6, 0.7), (2.0, 0.99))


@dataclass(frozen=True)
class Exported:
    """A network with random weights and what it was exported to."""

    network: Network
    card: DetectorCard
    model: onnx.ModelProto


def make_card(calibration: Calibration, size: int = SIDE) -> DetectorCard:
    return DetectorCard(
        model="timm",
        preprocess=PreprocessSpec(size=size),
        decision=Decision(calibration),
        protocol="by group",
        protocol_hash="0123456789abcdef",
        training={"datasets": ["pictures"], "images": 3, "metrics": {}},
        trained_on=TrainedOn().to_json(),
        precision="fp32",
        licence="for tests only",
    )


def random_network(name: str, **options: str) -> Network:
    """Evaluation mode; the logits of noise spread around 0, so that there are maps and knots are reached."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = build(name, **options).eval()
        noise = torch.randn(8, 3, SIDE, SIDE)
    last = [module for module in network.head.modules() if isinstance(module, torch.nn.Linear)][-1]
    with torch.no_grad():
        spread = network(noise).std()
        last.weight /= spread if spread > 1e-6 else 1  # an untrained EfficientNet hardly tells pictures apart
        last.bias.sub_(network(noise).mean())
    return network
