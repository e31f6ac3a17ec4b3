"""Whether a network's class-activation map is its Grad-CAM, and the weights that make it."""

import copy

import torch

from fakedet.models.registry import Network

_TOLERANCE = 1e-9  # of float64 sums over a feature map, relative to the largest weight


def class_weights(network: Network, size: int) -> torch.Tensor | None:
    """The weight of each channel of the last feature map in the logit, where there is one for each.

    A network ends in global average pooling and one linear layer exactly where its logit is an affine function
    of the feature map's mean and of nothing else. The gradient is then the same at every place and for every
    picture, and the weighted sum of the channels (Zhou et al., "Learning deep features for discriminative
    localization", CVPR 2016) is Grad-CAM's map times the number of places (Selvaraju et al., ICCV 2017,
    section 3.1). This is tried out in float64 with random feature maps and pictures, not read off names.

    Args:
        network: stays as it is.
        size: side of its input.

    Returns:
        (C,) float32, or None for a network that ends otherwise.
    """
    if network.cam_layer is None:
        return None
    probe = copy.deepcopy(network).cpu().double().eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    shape = _feature_shape(probe, size)
    if shape is None:
        return None
    bias, _ = _from_features(probe, size, torch.zeros(shape, dtype=torch.float64), generator)
    weights = None
    for scale in (1.0, 30.0):  # small and large: what bends in between is not affine
        features = scale * torch.randn(shape, dtype=torch.float64, generator=generator)
        logit, gradient = _from_features(probe, size, features, generator)
        if weights is None:
            weights = gradient.sum(dim=(1, 2))
        places = gradient[0].numel()
        limit = _TOLERANCE * max(float(weights.abs().max()), 1e-12)
        even = (gradient * places - weights[:, None, None]).abs().max() <= limit
        affine = (logit - bias - weights @ features[0].mean(dim=(1, 2))).abs() <= limit * scale * len(weights)
        if not (even and affine):
            return None
    return None if weights is None else weights.float()


def _feature_shape(network: Network, size: int) -> torch.Size | None:
    """Of the feature map (1, C, h, w) of one picture."""
    made: list[torch.Tensor] = []
    layer = network.cam_layer
    assert layer is not None
    hook = layer.register_forward_hook(lambda _module, _inputs, output: made.append(output))
    try:
        with torch.no_grad():
            network(torch.zeros(1, 3, size, size, dtype=torch.float64))
    finally:
        hook.remove()
    return made[-1].shape if made and made[-1].ndim == 4 else None


def _from_features(
    network: Network, size: int, features: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """The logit of given features (1, C, h, w) under a random picture, and its gradient (C, h, w)."""
    features = features.requires_grad_()
    layer = network.cam_layer
    assert layer is not None
    hook = layer.register_forward_hook(lambda _module, _inputs, _output: features.clone())
    try:
        with torch.enable_grad():
            picture = torch.randn(1, 3, size, size, dtype=torch.float64, generator=generator)
            logit = network(picture)[0]
            (gradient,) = torch.autograd.grad(logit, features)
    finally:
        hook.remove()
    return logit.detach(), gradient[0]
