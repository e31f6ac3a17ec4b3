"""Residual networks (He et al., CVPR 2016, table 1), with torchvision's first ImageNet weights.

The second recipe's ResNet-50 scores higher on ImageNet; the first is what published detectors start from.
"""

from torch import nn
from torchvision.models import ResNet, ResNet18_Weights, ResNet50_Weights, WeightsEnum
from torchvision.models import resnet18 as torchvision_resnet18
from torchvision.models import resnet50 as torchvision_resnet50

from fakedet.models.pretrained import of_torchvision
from fakedet.models.registry import Network, register


@register("resnet18")
def resnet18() -> Network:
    """11.2 million parameters, 1.8 GFLOP at 224 pixels."""
    return _network("resnet18", torchvision_resnet18(), ResNet18_Weights.IMAGENET1K_V1)


@register("resnet50")
def resnet50() -> Network:
    """23.5 million parameters, 4.1 GFLOP at 224 pixels."""
    return _network("resnet50", torchvision_resnet50(), ResNet50_Weights.IMAGENET1K_V1)


def _network(name: str, body: ResNet, weights: WeightsEnum) -> Network:
    body.fc = nn.Linear(body.fc.in_features, 1)
    return Network(
        body,
        stages=[["conv1", "bn1"], ["layer1"], ["layer2"], ["layer3"], ["layer4"]],
        head=["fc"],
        cam_layer="layer4",
        pretrained=of_torchvision(name, weights),
    )
