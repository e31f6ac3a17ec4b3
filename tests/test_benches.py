"""Every bench runs and leaves its findings, and all of them together a page that loses none."""

import json
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pictures import ASTRONAUT, COFFEE, encoded

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))  # where the benches find one another

import bench_all  # noqa: E402
import bench_evaluate  # noqa: E402
import bench_faces  # noqa: E402
import bench_infer  # noqa: E402
import bench_prepare  # noqa: E402
import bench_serve  # noqa: E402
import bench_train  # noqa: E402
from bench_all import BENCHES, Entry  # noqa: E402
from benching import Bench, machine, versions  # noqa: E402

from fakedet.data.miniatures import make_tree, media  # noqa: E402
from fakedet.errors import UserError  # noqa: E402

_GOOD = """
import sys
sys.path.insert(0, {scripts!r})
from benching import Bench
bench = Bench("good", "How good it is.")
bench.parser.add_argument("folder")
bench.parser.add_argument("--split")
options = bench.parse()
bench.note(f"{{options.folder}} and {{options.split}}")
bench.save()
"""
_BAD = "import sys\nprint('half of it')\nsys.exit('error: the disk is <full>')"


def found_in(folder: Path, name: str) -> dict[str, Any]:
    """What a bench left."""
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(), parse_constant=pytest.fail)
    assert found["bench"] == name
    assert found["command"].startswith("python scripts/bench_")
    assert found["machine"] == machine()
    assert found["versions"] == versions()
    return found


def test_findings_are_printed_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = Bench("try", "How fast it is.\n\nMore of it.")
    bench.parser.add_argument("--rounds", type=int)
    assert bench.parse(["--rounds", "3", "--out", str(tmp_path / "new")]).rounds == 3
    bench.table("Times", ["", "ms"], [["ours[serve]", "1.5"]])
    bench.ratio("Ours against theirs", 1.234, 1.1, 1.31, wanted="at most 2")
    bench.ratio("Theirs against ours", math.nan)
    bench.note("Nothing else.")
    file = bench.save(more=[1.5, math.inf])
    assert file == tmp_path / "new" / "try.json"
    found = found_in(file.parent, "try")
    assert found["title"] == "How fast it is."
    assert found["command"] == f"python scripts/bench_try.py --rounds 3 --out {tmp_path / 'new'}"
    assert found["tables"] == [{"title": "Times", "header": ["", "ms"], "rows": [["ours[serve]", "1.5"]]}]
    first = {"what": "Ours against theirs", "value": 1.234, "low": 1.1, "high": 1.31, "wanted": "at most 2"}
    assert found["ratios"] == [first, {**first, "what": "Theirs against ours", "value": None, "low": None,
                                       "high": None, "wanted": ""}]  # fmt: skip
    assert found["notes"] == ["Nothing else."]
    assert found["more"] == [1.5, None]
    said = capsys.readouterr().out
    assert "Ours against theirs: 1.23 (1.10 to 1.31; at most 2 wanted)\n" in said
    assert "ours[serve]" in said


def test_the_machine_is_named() -> None:
    assert int(machine()["cores"]) >= 1
    assert re.fullmatch(r"\d+ GiB", machine()["memory"])
    assert {"python", "fake-image-detection", "numpy", "torch"} <= set(versions())


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """Two benches, of which one breaks off."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    (folder / "bench_good.py").write_text(_GOOD.format(scripts=str(ROOT / "scripts")))
    (folder / "bench_bad.py").write_text(_BAD)
    return folder


def test_one_that_fails_loses_none_of_the_others(
    tmp_path: Path, scripts: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    earlier = Bench("earlier", "Once upon a time.")
    earlier.parse(["--out", str(out)])
    earlier.save()
    benches = (Entry("bad"), Entry("good", ("videos",), ("split",)), Entry("earlier", ("faces",)),
               Entry("never", ("faces", "no_faces")))  # fmt: skip
    settings = {"videos": "/a b", "split": "test", "out": str(out)}
    assert bench_all.bench_all(settings, benches, scripts) == 1
    assert found_in(out, "good")["notes"] == ["/a b and test"]
    assert (out / "bad.log").read_text() == "half of it\nerror: the disk is <full>\n"
    page = (out / "index.html").read_text()
    assert "2 of 4 benches are measured, 1 failed, 1 are left out." in page
    assert '<p class="alarm">bench-bad failed: error: the disk is &lt;full&gt;</p>' in page
    assert "/a b and test" in page
    assert "Once upon a time." in page
    assert "Its data is not given: make bench args=&#34;faces=/… no_faces=/…&#34;." in page
    for value in (*machine().values(), *versions().values()):
        assert value in page
    said = capfd.readouterr().out
    assert "[2/2] bench-good" in said
    assert "python scripts/bench_good.py '/a b' --split test" in said
    assert "half of it" in said


def test_old_findings_of_a_bench_that_fails_are_gone(tmp_path: Path, scripts: Path) -> None:
    old = Bench("bad", "How it was.")
    old.parse(["--out", str(tmp_path)])
    old.save()
    assert bench_all.bench_all({"out": str(tmp_path)}, (Entry("bad"),), scripts) == 1
    assert "How it was." not in (tmp_path / "index.html").read_text()
    assert not (tmp_path / "bad.json").exists()


def test_findings_of_another_machine_say_so(tmp_path: Path, scripts: Path) -> None:
    old = Bench("good", "How good it is.")
    old.parse(["--out", str(tmp_path)])
    file = old.save()
    found = json.loads(file.read_text())
    file.write_text(json.dumps({**found, "machine": {**found["machine"], "processor": "Babbage"}}))
    assert bench_all.bench_all({"out": str(tmp_path)}, (Entry("good", ("videos",)),), scripts) == 0
    assert "bench-good was taken" in (tmp_path / "index.html").read_text()
    assert "processor Babbage" in (tmp_path / "index.html").read_text()
    file.write_text("[]")
    with pytest.raises(UserError, match=r"good\.json is damaged: delete it and run this again"):
        bench_all.bench_all({"out": str(tmp_path)}, (Entry("good", ("videos",)),), scripts)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["vidoes=/x"], r"vidoes=/x \(did you mean videos\?\) is not a setting; there are videos, pictures"),
        (["/x"], r"/x.* is not a setting"),
        (["only=train,infre"], r"only=infre \(did you mean infer\?\) is not a bench"),
        (["quick=yes"], "quick=yes is neither true nor false"),
        (["videos="], "videos= has no value"),
    ],
)
def test_a_wrong_setting_is_named(words: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        bench_all.read(words, [entry.name for entry in BENCHES])


def test_settings_become_arguments() -> None:
    settings = bench_all.read(["pictures=/a,/b", "group_by=original", "quick=true", "only=peers"], ["peers"])
    found = {entry.name: entry for entry in BENCHES}
    assert found["peers"].left_out(settings) is None
    assert found["peers"].arguments(settings)[:4] == ["/a", "/b", "--group-by", "original"]
    assert found["train"].left_out(settings) == 'It was not asked for: make bench args="only=train".'
    assert found["prepare"].left_out(settings) == 'Its data is not given: make bench args="videos=/…".'


def test_every_bench_has_its_place_and_the_makefile_knows_it() -> None:
    there = {file.stem.removeprefix("bench_") for file in (ROOT / "scripts").glob("bench_*.py")}
    assert {entry.name for entry in BENCHES} == there - {"all"}
    targets = set(re.findall(r"^(bench[a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets == {"bench", *(f"bench-{name}" for name in there - {"all", "faces"})}


def test_bench_train(tmp_path: Path) -> None:
    overrides = ["model=timm", "model.model_name=test_resnet", "model.weights=null", "preprocess.size=64"]
    bench_train.main(["--pairs", "1", "--steps", "2", "--out", str(tmp_path), *overrides, "data.batch_size=2"])
    found = found_in(tmp_path, "train")
    (ratio,) = found["ratios"]
    assert ratio["value"] == ratio["low"] == ratio["high"] > 0
    assert [row[0] for row in found["tables"][0]["rows"]] == ["train.py's loop", "bare PyTorch loop"]


def test_bench_prepare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = next(file for file in media(make_tree("faceforensics", tmp_path / "tree")) if file.suffix == ".mp4")
    (tmp_path / "films").mkdir()
    film.rename(tmp_path / "films" / film.name)
    assert bench_prepare.main([str(tmp_path / "films"), "--repeat", "1", "--frames", "1", "--out", str(tmp_path)]) == 0
    found = found_in(tmp_path, "prepare")
    assert [one["value"] > 0 for one in found["ratios"]] == [True, True]
    assert found["tables"][0]["rows"][1][2] == "1 crops"
    (tmp_path / "empty").mkdir()
    assert bench_prepare.main([str(tmp_path / "empty"), "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'empty'} holds no video.\n"


def test_bench_evaluate(tmp_path: Path) -> None:
    sizes = ["--pictures", "4", "--turns", "1", "--images", "200", "--groups", "20", "--resamples", "10"]
    bench_evaluate.main([*sizes, "--out", str(tmp_path)])
    found = found_in(tmp_path, "evaluate")
    assert found["ratios"][0]["value"] > 0
    assert [row[0] for row in found["tables"][0]["rows"]] == ["200", "200", "2,000", "2,000"]


def test_bench_infer(tmp_path: Path) -> None:
    bench_infer.main(["--rounds", "1", "--starts", "1", "--out", str(tmp_path)])
    found = found_in(tmp_path, "infer")
    assert len(found["ratios"]) == 5
    assert {row[0] for row in found["tables"][1]["rows"]} >= {"decode", "find", "network"}
    assert "torch not loaded" in found["notes"][-1]


def test_bench_serve(tmp_path: Path, detector_file: Path) -> None:
    bench_serve.main(
        [str(detector_file), "--rounds", "1", "--seconds", "0.2", "--threads", "1", "--out", str(tmp_path), "--clients",
         "2"]
    )  # fmt: skip
    found = found_in(tmp_path, "serve")
    assert found["tables"][0]["header"] == ["", "2 clients"]
    assert [one["value"] > 0 for one in found["ratios"]] == [True, True]


def test_bench_faces(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, picture in {"faces": ASTRONAUT, "others": COFFEE}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(encoded(picture))
    folders = [str(tmp_path / "faces"), str(tmp_path / "others")]
    assert bench_faces.main([*folders, "--out", str(tmp_path)]) == 0
    found = found_in(tmp_path, "faces")
    first = found["tables"][0]["rows"][0]
    assert first[:4] == ["mtcnn", "0.50", "100.0% (1)", "0.0% (0)"]
    assert any("yunet" in note.lower() for note in found["notes"])
    assert bench_faces.main([folders[0], str(tmp_path / "nowhere"), "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'nowhere'} holds no pictures.\n"


def test_a_bench_without_enough_rounds_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench_train.main(["--steps", "1"])
    assert "--steps one of at least 2" in capsys.readouterr().err


def test_help_needs_no_bench(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    run: Callable[..., Any] = pytest.fail
    monkeypatch.setattr(bench_all, "run", run)
    assert bench_all.main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"{key}=" in said for key in bench_all.KEYS)
    assert bench_all.main(["vidoes=/x"]) == 1
    assert capsys.readouterr().err.startswith("error: vidoes=/x (did you mean videos?)")
