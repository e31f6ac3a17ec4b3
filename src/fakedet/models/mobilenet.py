"""MobileNetV2 (Sandler et al., CVPR 2018, table 2)."""

from torch import nn
from torchvision.models import MobileNet_V2_Weights, mobilenet_v2

from fakedet.models.pretrained import of_torchvision
from fakedet.models.registry import Network, register


@register("mobilenetv2")
def mobilenetv2(dropout: float = 0.2) -> Network:
    """2.2 million parameters, 0.3 GFLOP at 224 pixels; `dropout` before the linear layer."""
    body = mobilenet_v2(dropout=dropout)
    body.classifier[1] = nn.Linear(body.last_channel, 1)
    return Network(
        body,
        stages=[[f"features.{index}"] for index in range(len(body.features))],
        head=["classifier"],
        cam_layer="features",
        pretrained=of_torchvision("mobilenetv2", MobileNet_V2_Weights.IMAGENET1K_V1),
    )
