"""Any network of timm (Wightman, PyTorch Image Models), with its parts found from the network itself."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import huggingface_hub
import timm
import torch
from timm.models import get_pretrained_cfg
from torch import nn

from fakedet.errors import UserError, did_you_mean
from fakedet.models.pretrained import Pretrained, State
from fakedet.models.registry import Network, register
from fakedet.models.weights import PACKAGES, cache_folder, packaged

# Children of a timm network that only hold its stages in a row.
_CONTAINERS = ("blocks", "stages", "features", "layers")
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
_PROBE_SECONDS = 5.0


@register("timm")
def timm_network(
    model_name: str, dropout: float | None = None, drop_path: float | None = None, img_size: int | None = None
) -> Network:
    """A network by timm's name, `tf_efficientnet_lite0` or with a tag, `resnet50.a1_in1k`.

    `weights=imagenet` stands for the default weights that timm publishes under that name; with a tag,
    for those.

    Args:
        model_name: one of `timm.list_models()`, with or without a tag of `timm.list_pretrained()`.
        dropout: before the head, timm's default when None.
        drop_path: stochastic depth, timm's default when None.
        img_size: input size, for networks that are built for one size (transformers).

    Raises:
        UserError: for a name that timm does not know, or a network that cannot give one logit.
    """
    architecture, _, tag = model_name.partition(".")
    if not timm.is_model(architecture):
        raise UserError(f"timm has no model {architecture!r}{did_you_mean(architecture, timm.list_models())}.")
    tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        raise UserError(f"timm has no weights {tag!r} of {architecture}{did_you_mean(tag, tags)}.")
    options: dict[str, Any] = {"drop_rate": dropout, "drop_path_rate": drop_path, "img_size": img_size}
    body: Any = timm.create_model(model_name, **options)
    body.reset_classifier(1)
    channels, *native = body.pretrained_cfg["input_size"]
    side = (img_size, img_size) if img_size else native
    head = _head(body)
    return Network(
        body,
        stages=_stages(body, head),
        head=head,
        cam_layer=_feature_layer(body, torch.zeros(1, channels, *side)),
        pretrained=_published(model_name, options),
    )


def _published(model_name: str, options: dict[str, Any]) -> Pretrained | None:
    config = get_pretrained_cfg(model_name)
    if config is None or not config.has_weights:
        return None
    file = Path(config.url).name if isinstance(config.url, str) and config.url else None
    url = config.url if file else f"{huggingface_hub.constants.ENDPOINT}/{config.hf_hub_id}"
    fetch = partial(_published_state, model_name, options)
    return Pretrained(f"timm/{model_name}", str(url), file, config.mean, config.std, fetch)


def _head(body: Any) -> list[str]:
    """The children that hold the classifier; distilled transformers have two."""
    classifier = body.get_classifier()
    linears = classifier if isinstance(classifier, tuple) else (classifier,)
    return [
        name
        for name, child in body.named_children()
        if any(part is linear for part in child.modules() for linear in linears)
    ]


def _stages(body: nn.Module, head: list[str]) -> list[list[str]]:
    """Children with parameters in the order they were added; a norm belongs to what it follows."""
    stages: list[list[str]] = []
    for path, module in _parts(body):
        parameters = list(module.parameters())
        if path in head or not parameters:
            continue
        if stages and all(parameter.ndim == 1 for parameter in parameters):
            stages[-1].append(path)
        else:
            stages.append([path])
    loose = [name for name, _ in body.named_parameters(recurse=False)]
    if stages:
        stages[0] = [*loose, *stages[0]]
    return stages


def _parts(body: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in body.named_children():
        if name in _CONTAINERS and isinstance(child, nn.Sequential | nn.ModuleList):
            for inner, grandchild in child.named_children():
                yield f"{name}.{inner}", grandchild
        else:
            yield name, child


def _feature_layer(body: Any, images: torch.Tensor) -> str | None:
    """The module whose output is the last feature map, None for token sequences and channels-last maps.

    Shapes alone would mistake some transformers for CNNs, so one pass finds the very tensor.
    """
    made: list[tuple[str, torch.Tensor]] = []
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output, path=path: made.append((path, output)))
        for path, module in body.named_modules()
        if path and not isinstance(module, nn.Identity)
    ]
    training = body.training
    try:
        with torch.no_grad():
            features = body.eval().forward_features(images)
    finally:
        body.train(training)
        for hook in hooks:
            hook.remove()
    if not isinstance(features, torch.Tensor) or features.ndim != 4 or features.shape[1] != body.num_features:
        return None
    return next((path for path, output in reversed(made) if output is features), None)


def _published_state(model_name: str, options: dict[str, Any]) -> State:
    """The state dict with the published head, through timm's own loading."""
    config = get_pretrained_cfg(model_name)
    overlay = None if config is None else _cached(model_name, config)
    if overlay is None and config is not None and config.hf_hub_id:
        _require_hub()
    body = timm.create_model(model_name, pretrained=True, pretrained_cfg_overlay=overlay, **options)
    return dict(body.state_dict())


def _cached(model_name: str, config: Any) -> dict[str, Any] | None:
    """What makes timm load a file that lies in a cache without asking any server; None without one."""
    if isinstance(config.url, str) and config.url:
        file = cache_folder() / Path(config.url).name
        if file.is_file():
            return {"file": str(file), "custom_load": config.custom_load}
    if config.hf_hub_id:
        names = [config.hf_hub_filename] if config.hf_hub_filename else _HUB_FILES
        for name in names:
            found = huggingface_hub.try_to_load_from_cache(config.hf_hub_id, name)
            if isinstance(found, str):
                return {"file": found}
    key = f"timm/{model_name.removesuffix('.in1k')}"
    other = packaged(key) if key in PACKAGES else None
    if other is None:
        return None
    return {"state_dict": _in_key_order(torch.load(other, map_location="cpu", weights_only=True), model_name)}


def _in_key_order(state: State, model_name: str) -> State:
    """The packaged tensors under timm's names: another program's names, the same layers in the same order."""
    own = timm.create_model(model_name).state_dict()
    return dict(zip(own, state.values(), strict=True))


def _require_hub() -> None:
    """Ask the hub for a sign of life; its client would retry for most of a minute.

    Raises:
        ConnectionError: when it gives none.
    """
    try:
        huggingface_hub.get_session().head(huggingface_hub.constants.ENDPOINT, timeout=_PROBE_SECONDS)
    except Exception as error:  # the client's kind of error depends on its version
        raise ConnectionError(0, "the hub cannot be reached") from error
