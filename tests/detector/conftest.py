from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from films import FILES, write
from shipped_files import of_faces

from fakedet.detector.detector import Detector


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of `films.FILES`, 240 frames each."""
    folder = tmp_path_factory.mktemp("films")
    for name, settings in FILES.items():
        write(folder / name, 240, **settings)
    return folder


@pytest.fixture(scope="session")
def detector(detector_file: Path) -> Detector:
    return Detector.load(detector_file, threads=1)


@pytest.fixture(scope="session")
def face_detector(detector_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Detector]:
    """`face_detector(no_face="abstain", margin=1.5)`: a detector of faces."""
    folder, made = tmp_path_factory.mktemp("faces"), dict[Any, Detector]()

    def load(**values: Any) -> Detector:
        key = tuple(sorted(values.items()))
        if key not in made:
            made[key] = Detector.load(of_faces(detector_file, folder / f"{len(made)}.onnx", **values), threads=1)
        return made[key]

    return load
