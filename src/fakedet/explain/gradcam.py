"""Grad-CAM: the regions that raise the logit (Selvaraju et al., ICCV 2017, section 3)."""

import torch
from captum.attr import LayerGradCam
from torch.nn import functional

from fakedet.errors import UserError
from fakedet.models.registry import Network


def heatmaps(network: Network, images: torch.Tensor) -> torch.Tensor:
    """Where each picture has what speaks for fake.

    Runs in fp32 and evaluation mode whatever surrounds it: inference mode, autocast, training. Modes,
    gradients and weights are afterwards as they were.

    Args:
        network: one with a `cam_layer`.
        images: normalised input, float, (B, 3, S, S), on the network's device.

    Returns:
        (B, S, S), float32 in [0, 1], on the images' device: the largest value of each map is 1, except
        where nothing speaks for fake, which gives zeros.

    Raises:
        UserError: when the architecture has no feature map for Grad-CAM.
    """
    layer = network.cam_layer
    if layer is None:
        raise UserError(f"Grad-CAM needs the feature map of a CNN, which {network.name} {network.options} has not.")
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        # A tensor made in inference mode can have no gradient; its clone outside can.
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.autocast(images.device.type, enabled=False),
        ):
            inputs = images.detach().clone().float().requires_grad_()
            maps = LayerGradCam(network, layer).attribute(inputs, relu_attributions=True).detach()
    finally:
        for module, training in modes:
            module.training = training
    maps = functional.interpolate(maps, size=images.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    peaks = maps.amax(dim=(1, 2), keepdim=True)
    return maps / torch.where(peaks > 0, peaks, torch.ones_like(peaks))
