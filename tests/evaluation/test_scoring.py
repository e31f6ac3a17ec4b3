"""One pass over rows gives the predictions table."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fakedet.data.benchmarks.folder import Folder
from fakedet.detector.decision import Decision
from fakedet.detector.image import decode, normalise, resize
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError
from fakedet.evaluation.scoring import choose_device, score
from fakedet.models import build

SPEC = PreprocessSpec(size=32)
CPU = torch.device("cpu")


@pytest.fixture
def data(make_folder: Callable[..., Path], tmp_path: Path) -> Folder:
    module = Folder(
        root=str(make_folder(tmp_path / "images", groups=5, size=40)), batch_size=4, workers=0, balance=["label"],
        limit=None, val_share=0.0, test_share=0.0, split_seed=0, max_unreadable=0.5, spec=SPEC,
    )  # fmt: skip
    module.prepare()
    return module


def test_every_row_gets_the_score_of_its_own_image(data: Folder) -> None:
    network = build("timm", model_name="test_resnet").eval()
    rows = data.split("train")
    broken = rows["path"][3]
    (data.root / broken).write_bytes(b"no picture")
    predictions = score(network, data, rows, CPU, Decision())
    assert predictions["path"].tolist() == rows["path"].tolist()
    for row in predictions.to_dict("records"):
        if row["path"] == broken:
            assert row["face_status"] == "unreadable"
            assert np.isnan(row["logit"])
            assert np.isnan(row["score"])
            continue
        image = normalise(resize(decode(data.root / row["path"]), SPEC), SPEC)
        with torch.no_grad():
            logit = float(network(torch.from_numpy(image)[None]))
        assert row["face_status"] == "given"
        assert row["logit"] == pytest.approx(logit, abs=1e-5)
        assert row["score"] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-6)
    assert list(data.quarantine.reasons) == [broken]


def test_scores_do_not_depend_on_an_autocast_around_them(data: Folder) -> None:
    network = build("timm", model_name="test_resnet").eval()
    rows = data.split("train")
    plain = score(network, data, rows, CPU, Decision())
    with torch.autocast("cpu", torch.bfloat16):
        around = score(network, data, rows, CPU, Decision())
    assert plain["logit"].tolist() == around["logit"].tolist()


def test_a_device_that_is_not_there_is_said() -> None:
    assert choose_device("cpu") == CPU
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    with pytest.raises(UserError, match="device=quantum cannot be used"):
        choose_device("quantum")
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="device=cuda cannot be used"):
            choose_device("cuda")
