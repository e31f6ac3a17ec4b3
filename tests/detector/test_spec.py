import json
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from fakedet.detector.spec import FaceSpec, PreprocessSpec
from fakedet.errors import UserError


def test_json_gives_the_same_spec_back() -> None:
    face = FaceSpec(margin=1.0, finder="yunet", version="1")
    spec = PreprocessSpec(face=face, size=96, interpolation="bicubic", mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    assert PreprocessSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert spec != PreprocessSpec()


def test_it_cannot_change() -> None:
    with pytest.raises(FrozenInstanceError):
        PreprocessSpec().size = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"face": {"margin": 0.1}}, "margin=0.1 is not between"),
        ({"face": {"finder": "mtcn"}}, "did you mean mtcnn"),
        ({"face": {"fynder": "mtcnn"}}, "FaceSpec has no field fynder"),
        ({"size": 31}, "size=31 is not between 32 and 2048"),
        ({"size": 2049}, "size=2049"),
        ({"interpolation": "nearest"}, "not one of area, bilinear, bicubic"),
        ({"mean": [0.5]}, "mean has 1 values"),
        ({"std": [0.2, 0.0, 0.2]}, "not above zero"),
        ({"sise": 224}, "no field sise"),
    ],
)
def test_nonsense_is_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        PreprocessSpec.from_json(values)
