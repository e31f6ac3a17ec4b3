"""A tiny network with its file, and the export command in this process."""

from collections.abc import Callable

import pytest
from export_room import KNOTS, Exported, make_card, random_network
from hydra import compose, initialize_config_dir
from runs import ROOT

from fakedet.detector.decision import Calibration
from fakedet.export.export import export
from fakedet.export.onnx_file import to_model


@pytest.fixture(scope="session")
def exported() -> Exported:
    network = random_network("timm", model_name="test_resnet")
    card = make_card(Calibration("isotonic", knots=KNOTS))
    return Exported(network, card, to_model(network, card))


@pytest.fixture
def export_here() -> Callable[..., None]:
    """`export_here("ckpt=…")`: the command in this process."""

    def run(*overrides: str) -> None:
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            export(compose("export", list(overrides)))  # type: ignore[arg-type]

    return run
