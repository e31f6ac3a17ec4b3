"""The detector that comes with the package: whole, light, of one piece with its checkpoint, and used by default."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fakedet.data.photographs import photographs
from fakedet.detector.detector import Detector
from fakedet.detector.shipped import OWN
from fakedet.models import checkpoint, load_detector
from fakedet.models.registry import build

CHECKPOINT = OWN.with_name("detector.ckpt")
LARGEST = 15_000_000  # bytes of all weights in the repository


def test_the_files_are_those_that_the_digests_name() -> None:
    lines = (OWN.parent / "SHA256SUMS").read_text().splitlines()
    named = {name: digest for digest, name in (line.split() for line in lines)}
    assert set(named) == {OWN.name, CHECKPOINT.name}
    for name, digest in named.items():
        assert hashlib.sha256((OWN.parent / name).read_bytes()).hexdigest() == digest


def test_they_are_light() -> None:
    assert sum(file.stat().st_size for file in OWN.parent.iterdir()) <= LARGEST


def test_the_card_is_that_of_the_recipe() -> None:
    card = Detector.load(OWN, threads=1).card
    assert card.preprocess.face is not None
    assert card.preprocess.face.margin == 1.0
    assert card.preprocess.no_face == "whole_image"
    assert "research" in card.licence.lower()
    assert "dfdc_faces" in card.training["datasets"]
    assert {"file", "source_clip"} <= set(card.trained_on)
    assert not re.search(r'"(/|[A-Z]:\\\\)', json.dumps(card.to_json()))  # no folder of the machine that it was made on


def test_the_checkpoint_is_the_same_detector() -> None:
    files = [str(photograph.path) for photograph in photographs()]
    shipped, trained = Detector.load(OWN, threads=1), load_detector(CHECKPOINT)
    assert shipped.card.decision == trained.card.decision
    assert shipped.card.preprocess == trained.card.preprocess
    scores = np.array([[result.probability for result in detector.predict(files)] for detector in (shipped, trained)])
    assert np.ptp(scores[1]) > 0.1  # it tells them apart at all
    # Eight bits are not thirty-two: photographs that both know keep their order and their neighbourhood.
    assert np.abs(scores[0] - scores[1]).max() < 0.15
    assert np.corrcoef(scores)[0, 1] > 0.95


def test_it_is_trained_on_from_its_checkpoint() -> None:
    begun, stored = build("mobilenetv2", weights=str(CHECKPOINT), dropout=0.2), checkpoint.load(CHECKPOINT)[0]
    weights = begun.state_dict()
    assert weights.keys() == stored.state_dict().keys()
    assert all(torch.equal(value, weights[name]) for name, value in stored.state_dict().items())


@pytest.mark.parametrize("command", [["predict"], ["model"]])
def test_no_other_needs_to_be_named(command: list[str], tmp_path: Path) -> None:
    astronaut = next(photograph.path for photograph in photographs() if "astronaut" in photograph.path.name)
    files = [str(astronaut)] if command == ["predict"] else []
    run = subprocess.run(
        [Path(sys.executable).with_name("fakedet"), *command, *files], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert ("astronaut" if files else "mobilenetv2") in run.stdout
