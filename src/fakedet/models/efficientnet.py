"""EfficientNet (Tan & Le, ICML 2019, table 1; compound scaling in section 3.3)."""

from torch import nn
from torchvision.models import EfficientNet, EfficientNet_B0_Weights, EfficientNet_B4_Weights, WeightsEnum
from torchvision.models import efficientnet_b0 as torchvision_b0
from torchvision.models import efficientnet_b4 as torchvision_b4

from fakedet.models.pretrained import of_torchvision
from fakedet.models.registry import Network, register


@register("efficientnet_b0")
def efficientnet_b0(dropout: float = 0.2) -> Network:
    """4.0 million parameters, 0.4 GFLOP at 224 pixels; `dropout` before the linear layer."""
    return _network("efficientnet_b0", torchvision_b0(dropout=dropout), EfficientNet_B0_Weights.IMAGENET1K_V1)


@register("efficientnet_b4")
def efficientnet_b4(dropout: float = 0.4) -> Network:
    """17.5 million parameters, 4.4 GFLOP at 380 pixels; `dropout` before the linear layer."""
    return _network("efficientnet_b4", torchvision_b4(dropout=dropout), EfficientNet_B4_Weights.IMAGENET1K_V1)


def _network(name: str, body: EfficientNet, weights: WeightsEnum) -> Network:
    linear = body.classifier[1]
    assert isinstance(linear, nn.Linear)
    body.classifier[1] = nn.Linear(linear.in_features, 1)
    return Network(
        body,
        stages=[[f"features.{index}"] for index in range(len(body.features))],
        head=["classifier"],
        cam_layer="features",
        pretrained=of_torchvision(name, weights),
    )
