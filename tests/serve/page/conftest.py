import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from browser import ASTRONAUT, OpenTab, Tab, encoded
from numpy.typing import NDArray
from onnx import numpy_helper
from playwright.sync_api import Browser, sync_playwright
from services import Server, serving

from fakedet import Detector
from fakedet.detector.decision import FittedOn
from fakedet.detector.spec import FaceSpec
from fakedet.export.onnx_file import save, write_card


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The machine's browser, for one file of tests: while it runs, no other event loop can."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine: install it with `apt-get install chromium`")
    # Root may not open Chromium's own sandbox.
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def open_tab(chromium: Browser) -> Iterator[OpenTab]:
    """`open_tab(server, color_scheme="dark", …)`; in the end no tab may have complained or asked elsewhere."""
    tabs, contexts = [], []

    def open_one(server: Server, **options: Any) -> Tab:
        given = {"viewport": {"width": 1200, "height": 900}, "reduced_motion": "reduce", **options}
        contexts.append(chromium.new_context(**given))
        contexts[-1].set_default_timeout(15_000)
        tabs.append(Tab(contexts[-1], server.url))
        return tabs[-1]

    yield open_one
    for context in contexts:
        context.close()
    assert [line for tab in tabs for line in tab.trouble] == []
    for tab in tabs:
        assert [url for url in tab.asked if not url.startswith((f"{tab.url}/", "blob:", "data:"))] == []


@pytest.fixture(scope="session")
def detector(detector_file: Path) -> Detector:
    """What the service should say; its decision is not fitted."""
    return Detector.load(detector_file, threads=1)


@pytest.fixture(scope="session")
def face_file(detector_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector of faces, turned by their landmarks, with a decision that is fitted.

    It is the same network with the other sign: of the astronaut's face that one's map would be empty.
    """
    card = Detector.load(detector_file, threads=1).card
    fitted = FittedOn(images=2000, reals=1000, groups=140, protocol="by group")
    spec = replace(card.preprocess, face=FaceSpec(align="landmarks"))
    decision = replace(card.decision, false_positive_rate=0.01, fitted_on=fitted)
    model = onnx.load(detector_file)
    for values in model.graph.initializer:
        if len(values.dims) in (2, 4) and values.dims[0] == 1:  # the last layer's, for the logit and for the map
            values.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(values), values.name))
    write_card(model, replace(card, preprocess=spec, decision=decision))
    file = tmp_path_factory.mktemp("faces") / "faces.onnx"
    save(model, file)
    return file


@pytest.fixture(scope="session")
def face_service(face_file: Path) -> Iterator[Server]:
    with serving(face_file, threads=1) as server:
        yield server


@pytest.fixture(scope="session")
def face_detector(face_file: Path) -> Detector:
    """What that service should say."""
    return Detector.load(face_file, threads=1)


@pytest.fixture(scope="session")
def astronaut() -> bytes:
    """A photograph with a face, as a PNG file: nothing is lost on the way."""
    return encoded(ASTRONAUT, "PNG")


@pytest.fixture(scope="session")
def of_each_verdict(detector: Detector) -> dict[str, NDArray[np.uint8]]:
    """Verdict -> a picture that gets it, (96, 128, 3)."""
    rng = np.random.default_rng(11)
    found: dict[str, NDArray[np.uint8]] = {}
    for _ in range(300):
        picture = np.full((96, 128, 3), rng.integers(0, 256, 3), np.uint8)
        left, top = rng.integers(20, 70), rng.integers(0, 50)
        picture[top : top + 40, left : left + 40] = rng.integers(0, 256, 3)
        result = detector.predict(picture)
        assert result.verdict is not None
        found.setdefault(result.verdict, picture)
        if len(found) == 3:
            return found
    raise AssertionError(f"only {sorted(found)} among 300 pictures")
