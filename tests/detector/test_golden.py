"""From the original picture: what training reads of a prepared folder is what a `Detector` gives its network."""

from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import pandas as pd
import pytest
import skimage
from numpy.typing import NDArray
from runs import prepare_here
from shipped_files import with_card

from fakedet.data.images import Images
from fakedet.data.prepared import Prepared
from fakedet.detector.detector import Detector
from fakedet.detector.face import choose
from fakedet.detector.image import decode, normalise
from fakedet.detector.regions import cut
from fakedet.detector.spec import PreprocessSpec

Array = NDArray[np.float32]
_ASTRONAUT = Path(skimage.__file__).parent / "data" / "astronaut.png"
_ADMIRAL = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"


@pytest.fixture(scope="module")
def download(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of people, as they come and as JPEG files that are larger, smaller, and cut at the face."""
    raw = tmp_path_factory.mktemp("download")
    for label in ("real", "fake"):
        (raw / label).mkdir()
    (raw / "real" / "astronaut.png").write_bytes(_ASTRONAUT.read_bytes())
    (raw / "fake" / "admiral.jpg").write_bytes(_ADMIRAL.read_bytes())
    for name, source, scale, part in (
        ("real/large.jpg", _ASTRONAUT, 2.5, (slice(None), slice(None))),
        ("fake/small.jpg", _ADMIRAL, 0.4, (slice(None), slice(None))),
        ("real/edge.jpg", _ADMIRAL, 1.0, (slice(130, None), slice(None))),
    ):
        picture = cv2.resize(decode(source), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[part]
        assert cv2.imwrite(str(raw / name), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return raw


def _seen(detector: Detector) -> list[Array]:
    """What the network will have been given, once the detector is asked."""
    taken: list[Array] = []
    scorer = detector._scorer

    class Listening:
        @property
        def has_maps(self) -> bool:
            return scorer.has_maps

        def __call__(self, inputs: Array, maps: bool) -> Any:
            taken.extend(inputs)
            return scorer(inputs, maps)

    detector._scorer = Listening()
    return taken


@pytest.mark.parametrize(
    ("overrides", "interpolation"),
    [(["face.margin=1.3"], "area"), (["face.margin=1.6", "face.align=landmarks"], "bicubic")],
    ids=["box", "landmarks"],
)
def test_prepared_crops_and_the_detector_give_equal_tensors(
    overrides: list[str], interpolation: str, download: Path, tmp_path: Path, detector_file: Path
) -> None:
    root = prepare_here("folder", download, tmp_path / "prepared", "faces=true", *overrides)
    face = Prepared.read(root).face
    assert face is not None
    spec = PreprocessSpec(face=face, size=64, interpolation=interpolation, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.25))
    rows = pd.read_parquet(root / "manifest.parquet")
    assert len(rows) == 5
    crops = Images(rows, root, spec)
    detector = Detector.load(with_card(detector_file, tmp_path / "faces.onnx", preprocess=spec), threads=1)
    inputs = _seen(detector)
    for index, path in enumerate(rows["path"]):
        (original,) = [file for file in download.rglob("*.*") if file.stem == Path(path).name.split(".")[0]]
        prepared = crops[index]["image"]
        assert prepared is not None
        inputs.clear()
        # A prepared picture has one face, a judged one all of them.
        result = detector.predict(original)
        picture = decode(original)
        assert detector.finder is not None
        main = choose(detector.finder.find(picture), face.choice, *picture.shape[:2])
        assert main is not None
        assert len(inputs) == len(result.findings) == 1
        assert result.findings[0].box == main.box
        assert np.array_equal(inputs[0], prepared.numpy()), path
        # The prepared crop itself, and the function that evaluation shares.
        detector.predict(root / path, cropped=True)
        assert np.array_equal(inputs[1], prepared.numpy())
        (region,) = cut(picture, spec, [main])
        assert np.array_equal(normalise(region.pixels, spec), prepared.numpy())


def test_whole_pictures_give_equal_tensors_too(download: Path, detector_file: Path) -> None:
    detector = Detector.load(detector_file, threads=1)
    inputs = _seen(detector)
    files = sorted(file.relative_to(download).as_posix() for file in download.rglob("*.*"))
    rows = pd.DataFrame({"path": files, "label": 0})
    crops = Images(rows, download, detector.card.preprocess)
    detector.predict([download / file for file in files])
    assert len(inputs) == 5
    for index in range(5):
        image = crops[index]["image"]
        assert image is not None
        assert np.array_equal(inputs[index], image.numpy())
