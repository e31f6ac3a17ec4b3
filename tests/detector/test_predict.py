"""The story of a prediction: records, resuming, heatmaps and videos, with a real detector in this process."""

import csv
import errno
import functools
import http.server
import json
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from films import write
from skimage import data as pictures

from fakedet.detector import overlay, shipped
from fakedet.detector.detector import Detector
from fakedet.detector.image import decode
from fakedet.detector.judge import MAX_BYTES
from fakedet.detector.onnx import OnnxScorer
from fakedet.detector.predict import Request, Unjudged, predict
from fakedet.detector.records import COLUMNS, JSON, Records
from fakedet.detector.result import Finding
from fakedet.detector.spec import FaceSpec
from fakedet.detector.video import Sampling, inspect, read_at
from fakedet.errors import UserError

Load = Callable[[int], Detector]


@pytest.fixture(scope="session")
def load(detector_file: Path) -> Load:
    """Opens the tiny detector of whole pictures."""
    return functools.cache(lambda threads: Detector.load(detector_file, threads=1))


@pytest.fixture(scope="session")
def load_faces(detector_file: Path) -> Load:
    """Opens the same network for faces."""
    found = shipped.read(detector_file)
    card = replace(found.card, preprocess=replace(found.card.preprocess, face=FaceSpec()))
    detector = Detector(card, OnnxScorer(found.data, 64, 1), sha256="f" * 64, engine="onnxruntime")
    return lambda threads: detector


@pytest.fixture
def folder(tmp_path: Path, make_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """`photos` with eight pictures, and the tests run beside it."""
    make_folder(tmp_path / "photos", groups=4)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos"


def _lines(file: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]


def _without_times(file: str | Path) -> list[dict[str, Any]]:
    return [{**line, "milliseconds": None} for line in _lines(file)]


def test_records_say_what_the_detector_says(folder: Path, load: Load) -> None:
    predict(load, Request(inputs=["photos"], json="out.jsonl", csv="out.csv"))
    files = sorted(folder.rglob("*.jpg"))
    detector = load(1)
    lines = _lines("out.jsonl")
    assert [line["file"] for line in lines] == [str(file.relative_to(folder.parent)) for file in files]
    for line, file in zip(lines, files, strict=True):
        wanted = detector.predict(file).to_json()
        for name in ("status", "verdict", "probability", "uncalibrated", "findings", "reasons", "width", "height"):
            assert line[name] == wanted[name]
        assert line["bytes"] == file.stat().st_size
        assert line["model"] == detector.sha256
    with Path("out.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == list(COLUMNS)
    assert [row["file"] for row in rows] == [line["file"] for line in lines]
    assert [float(row["probability"]) for row in rows] == [line["probability"] for line in lines]
    assert {row["verdict"] for row in rows} == {line["verdict"] for line in lines}


def test_bad_files_are_told_at_the_end_and_the_good_ones_are_judged(
    folder: Path, load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    good = sorted(folder.rglob("*.jpg"))[0]
    (folder / "a_cut.jpg").write_bytes(good.read_bytes()[:-200])
    (folder / "b_empty.png").touch()
    (folder / "c_text.jpg").write_text("<html>")
    (folder / "d_broken.mp4").write_bytes(b"\0" * 5000)
    with (folder / "e_huge.jpg").open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)  # without a block on the disk
    with pytest.raises(Unjudged, match="5 of 13 files have no verdict") as caught:
        predict(load, Request(inputs=["photos"], json="out.jsonl", strict=True))
    assert caught.value.status == 3
    out = capsys.readouterr().out
    told = dict(line.strip().split(": ", 1) for line in out.split("Without a verdict:\n")[1].splitlines())
    assert told == {
        "photos/a_cut.jpg": "is truncated or damaged",
        "photos/b_empty.png": "is empty",
        "photos/c_text.jpg": "is no JPEG, PNG, WEBP, BMP or TIFF picture",
        "photos/d_broken.mp4": "cannot be opened as a video: it is damaged, incomplete or of an unknown kind",
        "photos/e_huge.jpg": "has 256 MiB, more than a picture of 256",
    }
    lines = {line["file"]: line for line in _lines("out.jsonl")}
    assert {name for name, line in lines.items() if line["status"] == "unreadable"} == set(told)
    assert all(lines[name]["verdict"] is None and lines[name]["probability"] is None for name in told)
    # A run that has nothing left to do tells of them, and is as strict, all the same.
    with pytest.raises(Unjudged, match="5 of 13"):
        predict(load, Request(inputs=["photos"], json="out.jsonl", strict=True))
    assert "13 of 13 files are done already" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_run_that_was_cut_off_goes_on(folder: Path, load: Load, form: str) -> None:
    options: dict[str, Any] = {form: "out"}
    predict(load, Request(inputs=["photos"], **options))
    whole = Path("out").read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == 10]
    for cut in (0, 3, ends[0], ends[2] - 1, ends[2], ends[2] + 20, ends[-1] - 1):
        Path("out").write_bytes(whole[:cut])
        predict(load, Request(inputs=["photos"], **options))
        kept = whole[: max([end for end in ends if end <= cut], default=0)]
        now = Path("out").read_bytes()
        assert now.startswith(kept)  # what was done is left as it was
        if form == "csv":
            assert now == whole
        else:
            names = [line["file"] for line in _lines("out")]
            assert names == [json.loads(line)["file"] for line in whole.splitlines()]


def test_two_outputs_that_were_cut_off_apart_end_alike(folder: Path, load: Load) -> None:
    request = Request(inputs=["photos"], json="out.jsonl", csv="out.csv")
    predict(load, request)
    lines = Path("out.csv").read_text().splitlines(keepends=True)
    Path("out.csv").write_text("".join(lines[:4]))
    predict(load, request)
    names = [line["file"] for line in _lines("out.jsonl")]
    assert len(set(names)) == len(names) == 8
    assert [line.split(",")[0] for line in Path("out.csv").read_text().splitlines()[1:]] == names


def test_files_that_changed_are_judged_again_and_others_are_not(folder: Path, load: Load) -> None:
    request = Request(inputs=["photos"], json="out.jsonl")
    predict(load, request)
    before = {line["file"]: line for line in _lines("out.jsonl")}
    files = sorted(folder.rglob("*.jpg"))
    shutil.copyfile(files[0], files[5])  # another content
    os.utime(files[1], (1, 1))  # the same one, but that cannot be known
    shutil.copyfile(files[2], folder / "new.jpg")
    files[3].unlink()
    predict(load, request)
    after = {line["file"]: line for line in _lines("out.jsonl")}
    assert len(_lines("out.jsonl")) == len(after) == 9
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {str(file.relative_to(folder.parent)) for file in (files[1], files[5], folder / "new.jpg")}
    name = str(files[5].relative_to(folder.parent))
    assert after[name]["probability"] == after[str(files[0].relative_to(folder.parent))]["probability"]


def test_another_detector_or_other_settings_are_refused(folder: Path, load: Load, load_faces: Load) -> None:
    request = Request(inputs=["photos"], json="out.jsonl")
    predict(load, request)
    before = Path("out.jsonl").read_bytes()
    with pytest.raises(UserError, match=r"made with the detector .*, not ffffffffffff…: choose another file"):
        predict(load_faces, request)
    others: dict[str, dict[str, Any]] = {
        "faces=found frames=16 heatmaps=no": {"frames": "16"},
        "faces=given frames=32 heatmaps=no": {"crops": True},
        "faces=found frames=32 heatmaps=yes": {"heatmaps": "heat"},
    }
    for now, other in others.items():
        with pytest.raises(UserError, match=f"made with faces=found frames=32 heatmaps=no, not {now}"):
            predict(load, replace(request, **other))
    assert Path("out.jsonl").read_bytes() == before
    predict(load_faces, replace(request, restart=True))
    assert {line["model"] for line in _lines("out.jsonl")} == {"f" * 64}
    assert len(_lines("out.jsonl")) == 8


@pytest.mark.parametrize("restart", [False, True])
def test_a_file_with_something_else_is_never_written_to(folder: Path, load: Load, restart: bool) -> None:
    picture = next(folder.rglob("*.jpg"))
    Path("notes.txt").write_text("dear diary")
    Path("table.csv").write_text("a,b\n1,2\n")
    Path("rows.jsonl").write_text('{"file": "x"}\n')
    Path("list.json").write_text("[]\n")
    for file in (str(picture), "notes.txt", "table.csv", "rows.jsonl", "list.json"):
        before = Path(file).read_bytes()
        for form in ("json", "csv"):
            options: dict[str, Any] = {form: file}
            with pytest.raises(UserError, match="holds something else than predictions"):
                predict(load, Request(inputs=["photos"], restart=restart, **options))
            assert Path(file).read_bytes() == before


def test_two_runs_do_not_write_to_one_file(folder: Path, load: Load) -> None:
    first = Records("out.jsonl", JSON, model="m", settings="s", restart=False)
    with pytest.raises(UserError, match="written by another run"):
        predict(load, Request(inputs=["photos"], json="out.jsonl"))
    first.close()
    predict(load, Request(inputs=["photos"], json="out.jsonl"))
    assert len(_lines("out.jsonl")) == 8


def test_standard_output_holds_the_records_alone(folder: Path, load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    predict(load, Request(inputs=["photos/real"], json="-"))
    captured = capsys.readouterr()
    assert len([json.loads(line) for line in captured.out.splitlines()]) == 4
    assert "4 files in" in captured.err
    predict(load, Request(inputs=["photos/real"], csv="-"))
    rows = csv.DictReader(capsys.readouterr().out.splitlines())
    assert next(rows)["file"] == "photos/real/g00_0.jpg"


def test_a_device_is_written_to_and_stays_one(folder: Path, load: Load) -> None:
    predict(load, Request(inputs=["photos"], json="/dev/null"))
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"json": "missing/out.jsonl"}, "json=missing/out.jsonl cannot be written"),
        ({"csv": "photos"}, "csv=photos cannot be written"),
        ({"heatmaps": "photos/real/g00_0.jpg"}, "heatmaps=.* cannot be made"),
        ({"frames": "many"}, "frames=many"),
        ({"threads": 0}, "threads=0"),
        ({"json": "-", "csv": "-"}, "name two files"),
        ({"restart": True}, "restart needs json or csv"),
        ({"inputs": []}, "Nothing is given"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_judged(
    folder: Path, load: Load, options: dict[str, Any], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match=sentence):
        predict(load, Request(**{"inputs": ["photos"], **options}))
    assert capsys.readouterr().out == ""


def test_heatmaps_lie_where_their_pictures_do_and_show_what_the_detector_says(folder: Path, load: Load) -> None:
    shutil.copy(folder / "real" / "g00_0.jpg", folder / "real" / "G00_0.JPG")
    predict(load, Request(inputs=["photos"], heatmaps="heat", json="out.jsonl"))
    lines = {line["file"]: line["heatmap"] for line in _lines("out.jsonl")}
    assert len(set(lines.values())) == 9
    assert lines["photos/fake/g01_0.jpg"] == "photos/fake/g01_0.jpg.heatmap.jpg"
    for name, place in lines.items():
        result = load(1).predict(Path(name), explain=True)
        wanted = overlay.overlay(decode(Path(name)), result.findings).astype(int)
        assert np.abs(decode(Path("heat") / place).astype(int) - wanted).mean() < 4  # JPEG
    assert {str(file.relative_to("heat")) for file in Path("heat").rglob("*.*")} == set(lines.values())


def test_a_heatmap_that_is_gone_is_made_again(folder: Path, load: Load) -> None:
    request = Request(inputs=["photos"], heatmaps="heat", json="out.jsonl")
    predict(load, request)
    lost = Path("heat/photos/real/g02_0.jpg.heatmap.jpg")
    kept = Path("heat/photos/real/g01_0.jpg.heatmap.jpg")
    before = kept.stat().st_mtime_ns
    lost.unlink()
    predict(load, request)
    assert lost.is_file()
    assert kept.stat().st_mtime_ns == before
    assert len(_lines("out.jsonl")) == 8


def test_links_in_the_folder_of_heatmaps_lead_nowhere(folder: Path, load: Load) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    victim = outside / "victim.txt"
    victim.write_text("mine")
    Path("heat/photos/real").mkdir(parents=True)
    Path("heat/photos/real/g00_0.jpg.heatmap.jpg").symlink_to(victim)
    Path("heat/photos/real/.g00_0.jpg.heatmap.jpg.partial").symlink_to(victim)
    predict(load, Request(inputs=["photos/real/g00_0.jpg", "photos/real"], heatmaps="heat"))
    Path("heat/photos/fake").symlink_to(outside)
    with pytest.raises(UserError, match="lies outside of"):
        predict(load, Request(inputs=["photos"], heatmaps="heat"))
    assert victim.read_text() == "mine"
    assert list(outside.iterdir()) == [victim]


def test_the_evidence_is_drawn_where_it_lies() -> None:
    grey = np.full((300, 500, 3), 128, np.uint8)
    heat = np.zeros((64, 64), np.float32)
    heat[:32, :32] = 1  # the upper left quarter of the region
    region = ((100.0, 50.0), (300.0, 50.0), (300.0, 250.0), (100.0, 250.0))
    finding = Finding(None, None, region, 2.0, 0.9, 0.9, "fake", heat)
    drawn = overlay.overlay(grey, [finding]).astype(int)
    changed = np.abs(drawn - 128).sum(axis=2) > 20
    assert changed[90:140, 110:190].all()
    assert not changed[160:240, 110:290].any()
    assert not changed[90:240, 210:290].any()
    assert not changed[:, 310:].any()
    assert (
        np.abs(overlay.overlay(grey, [replace(finding, heatmap=heat * 0)]).astype(int)[90:240, 110:290] - 128).max()
        == 0
    )
    assert (grey == 128).all()
    large = overlay.overlay(np.full((3000, 4000, 3), 128, np.uint8), [])
    assert large.shape == (1200, 1600, 3)
    small = overlay.overlay(np.full((30, 60, 3), 128, np.uint8), [])
    assert small.shape == (240, 480, 3)


def test_faces_are_counted_and_ready_crops_are_not_searched(
    tmp_path: Path, load_faces: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    face, coffee = pictures.astronaut(), pictures.coffee()
    cv2.imwrite("astronaut.png", cv2.cvtColor(face, cv2.COLOR_RGB2BGR))
    cv2.imwrite("coffee.png", cv2.cvtColor(coffee, cv2.COLOR_RGB2BGR))
    predict(load_faces, Request(inputs=["*.png"], json="found.jsonl", csv="found.csv", heatmaps="heat"))
    astronaut, cup = _lines("found.jsonl")
    assert astronaut["status"] == "scored"
    assert astronaut["findings"][0]["box"] is not None
    assert cup["status"] == "no face"
    assert cup["verdict"] is None
    assert cup["heatmap"] is None
    assert "coffee.png: no face found" in capsys.readouterr().out
    with Path("found.csv").open(newline="") as stream:
        assert [row["faces"] for row in csv.DictReader(stream)] == [str(len(astronaut["findings"])), "0"]
    predict(load_faces, Request(inputs=["*.png"], json="given.jsonl", crops=True))
    assert [line["status"] for line in _lines("given.jsonl")] == ["scored", "scored"]
    assert _lines("given.jsonl")[1]["findings"][0]["box"] is None


def test_a_video_is_judged_over_time(
    tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("clip.mp4"), 100)
    predict(load, Request(inputs=["clip.mp4"], json="out.jsonl", csv="out.csv", heatmaps="heat", frames="10"))
    (line,) = _lines("out.jsonl")
    result = load(1).predict_video(Path("clip.mp4"), sampling=Sampling(10), explain=True)
    assert line["verdict"] == result.verdict
    assert line["probability"] == result.probability
    assert line["tracks"] == result.to_json()["tracks"]
    assert len(line["frames"]) == 10
    out = capsys.readouterr().out
    assert "in 10 of 10 frames" in out
    assert out.count("│") == 4
    assert "0:03" in out
    first = result.tracks[0]
    number = int(np.searchsorted(inspect(Path("clip.mp4")).seconds, first.peak_second))
    ((_, frame),) = read_at(Path("clip.mp4"), [number])
    drawn = decode(Path("heat/clip.mp4.heatmap.jpg")).astype(int)
    assert np.abs(drawn - overlay.overlay(frame, [first.peak]).astype(int)).mean() < 4


def test_faces_of_a_video_have_their_own_curves(
    tmp_path: Path, load_faces: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import av

    monkeypatch.chdir(tmp_path)
    face = cv2.resize(pictures.astronaut()[:300, 80:380], (240, 240))
    with av.open("two.mp4", "w") as file:
        stream: Any = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 560, 240, "yuv420p"
        for number in range(50):
            picture = np.full((240, 560, 3), 90, np.uint8)
            picture[:, :240] = face
            if number >= 25:  # the second comes in the middle
                picture[:, 320:] = face[:, ::-1]
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())
    predict(load_faces, Request(inputs=["two.mp4"], json="out.jsonl", frames="10"))
    (line,) = _lines("out.jsonl")
    assert sorted(len(track["frames"]) for track in line["tracks"]) == [5, 10]
    out = capsys.readouterr().out
    assert "face 1: " in out
    assert "face 2: " in out
    assert "in 5 of 10 frames" in out


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a server, and the folder that it serves."""
    folder = tmp_path_factory.mktemp("site")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


def test_addresses_are_downloaded_and_asked_again_where_they_gave_nothing(
    folder: Path, load: Load, site: tuple[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    address, served = site
    shutil.copy(folder / "real" / "g00_0.jpg", served / "a.jpg")
    write(served / "clip.mp4", 20)
    Path("list.txt").write_text(
        f"{address}/a.jpg?x=1\n{address}/later.jpg\n{address}/clip.mp4\nphotos/fake/g00_0.jpg\n"
    )
    request = Request(urls="list.txt", json="out.jsonl", heatmaps="heat", allow_private=True)
    predict(load, request)
    assert f"{address}/later.jpg: cannot be downloaded: the server answers 404" in capsys.readouterr().out
    lines = _lines("out.jsonl")
    assert [line["status"] for line in lines] == ["scored", "unreadable", "scored", "scored"]
    assert lines[0]["probability"] == load(1).predict(folder / "real" / "g00_0.jpg").probability
    assert len(lines[2]["frames"]) == 20
    host = address.removeprefix("http://").replace(":", "_")
    assert lines[0]["heatmap"] == f"{host}/a.jpg.heatmap.jpg"
    assert lines[2]["heatmap"] == f"{host}/clip.mp4.heatmap.jpg"
    shutil.copy(folder / "real" / "g01_0.jpg", served / "later.jpg")
    predict(load, request)
    lines = _lines("out.jsonl")
    assert sorted(line["status"] for line in lines) == ["scored"] * 4
    with pytest.raises(Unjudged, match="3 of 4 files"):
        predict(load, replace(request, json=None, allow_private=False, strict=True))
    assert "private network; --allow-private" in capsys.readouterr().out


def test_a_detector_without_maps_refuses_heatmaps(folder: Path, detector_file: Path) -> None:
    class Blind(OnnxScorer):
        def __call__(self, inputs: Any, maps: bool) -> Any:
            return super().__call__(inputs, False)

    found = shipped.read(detector_file)
    blind = Detector(found.card, Blind(found.data, 64, 1), engine="onnxruntime")
    with pytest.raises(UserError, match="has no heatmaps"):
        predict(lambda threads: blind, Request(inputs=["photos"], heatmaps="heat"))


def test_a_heatmap_without_a_place_costs_the_heatmap_alone(folder: Path, load: Load) -> None:
    Path("heat/photos/real/g00_0.jpg.heatmap.jpg").mkdir(parents=True)
    predict(load, Request(inputs=["photos"], heatmaps="heat", json="out.jsonl"))
    lines = {line["file"]: line for line in _lines("out.jsonl")}
    assert len(lines) == 8
    told = lines.pop("photos/real/g00_0.jpg")
    assert told["heatmap"] is None
    assert told["verdict"] is not None
    assert any(reason.startswith("no heatmap, because") for reason in told["reasons"])
    assert all((Path("heat") / line["heatmap"]).is_file() for line in lines.values())


def test_damaged_records_are_not_ours(folder: Path, load: Load) -> None:
    predict(load, Request(inputs=["photos"], json="out.jsonl", csv="out.csv"))
    first = _lines("out.jsonl")[0]
    lacking = {name: value for name, value in first.items() if name not in ("status", "verdict", "reasons")}
    Path("lacking.jsonl").write_text(json.dumps(lacking) + "\n")
    Path("deep.jsonl").write_text("[" * 100_000 + "\n")
    size = str(first["bytes"])
    Path("size.csv").write_text(Path("out.csv").read_text().replace(f",{size},", f",{size}x,"))
    for file in ("lacking.jsonl", "deep.jsonl", "size.csv"):
        with pytest.raises(UserError, match="holds something else than predictions"):
            options: dict[str, Any] = {"csv" if file.endswith("csv") else "json": file}
            predict(load, Request(inputs=["photos"], **options))


def test_pictures_of_one_name_from_two_places_keep_their_own_heatmaps(
    folder: Path, load: Load, make_folder: Callable[..., Path]
) -> None:
    for place in ("a", "b"):
        make_folder(Path(place) / "photos", groups=1, size=64 if place == "a" else 72)
        predict(load, Request(inputs=[f"{place}/photos"], heatmaps="heat", json=f"{place}.jsonl"))
    places = [{line["heatmap"] for line in _lines(f"{place}.jsonl")} for place in ("a", "b")]
    assert "photos/real/g00_0.jpg.heatmap.jpg" in places[0]
    assert not places[0] & places[1]
    for place in ("a", "b"):
        for line in _lines(f"{place}.jsonl"):
            shown = load(1).predict(Path(line["file"]), explain=True)
            wanted = overlay.overlay(decode(Path(line["file"])), shown.findings).astype(int)
            assert np.abs(decode(Path("heat") / line["heatmap"]).astype(int) - wanted).mean() < 4
    before = {file: file.stat().st_mtime_ns for file in Path("heat").rglob("*.jpg")}
    for place in ("a", "b"):
        predict(load, Request(inputs=[f"{place}/photos"], heatmaps="heat", json=f"{place}.jsonl"))
    assert {file: file.stat().st_mtime_ns for file in Path("heat").rglob("*.jpg")} == before, "all were done"

    # A heatmap that is another picture's now is not taken for this one's.
    first, second = (Path("heat") / min(each) for each in places)
    shutil.copy(second, first)
    predict(load, Request(inputs=["a/photos"], heatmaps="heat", json="a.jsonl"))
    (kept,) = [line["heatmap"] for line in _lines("a.jsonl") if line["file"] == "a/photos/fake/g00_0.jpg"]
    assert not overlay.is_anothers(Path("heat") / kept, "a/photos/fake/g00_0.jpg")
    assert overlay.is_anothers(first, "a/photos/fake/g00_0.jpg")


def test_a_video_whose_heatmap_has_no_place_is_judged_all_the_same(folder: Path, load: Load) -> None:
    write(folder / "clip.mp4", 5)
    Path("heat/photos/clip.mp4.heatmap.jpg").mkdir(parents=True)
    predict(load, Request(inputs=["photos"], heatmaps="heat", json="out.jsonl"))
    lines = {line["file"]: line for line in _lines("out.jsonl")}
    assert len(lines) == 9
    told = lines["photos/clip.mp4"]
    assert told["heatmap"] is None
    assert told["verdict"] == load(1).predict_video(folder / "clip.mp4").verdict in ("real", "uncertain", "fake")
    assert any(reason.startswith("no heatmap, because") for reason in told["reasons"])


def test_what_the_file_system_refused_is_tried_again(
    folder: Path, load: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    request = Request(inputs=["photos"], json="out.jsonl")
    read = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path.name == "g01_0.jpg":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refused)
        predict(load, request)
    assert sum(line["verdict"] is None for line in _lines("out.jsonl")) == 2
    capsys.readouterr()
    predict(load, request)
    assert "6 of 8 files are done already" in capsys.readouterr().out
    assert all(line["verdict"] is not None for line in _lines("out.jsonl"))


def test_a_link_to_the_records_stays_one(folder: Path, load: Load) -> None:
    Path("big").mkdir()
    Path("out.jsonl").symlink_to("big/records.jsonl")
    predict(load, Request(inputs=["photos"], json="out.jsonl"))
    os.utime(folder / "real" / "g00_0.jpg")  # its line is written anew
    predict(load, Request(inputs=["photos"], json="out.jsonl"))
    assert Path("out.jsonl").is_symlink()
    assert len(_lines("big/records.jsonl")) == 8
    assert [file.name for file in Path("big").iterdir()] == ["records.jsonl"]


def test_heatmaps_of_an_earlier_version_stay_where_they_are(folder: Path, load: Load) -> None:
    request = Request(inputs=["photos"], heatmaps="heat", json="out.jsonl")
    predict(load, request)
    for file in Path("heat").rglob("*.jpg"):
        file.write_bytes(b"\xff\xd8" + file.read_bytes()[2 + 28 :])  # without what it says of its picture
    before = {file: file.stat().st_mtime_ns for file in Path("heat").rglob("*.jpg")}
    predict(load, request)
    assert {file: file.stat().st_mtime_ns for file in Path("heat").rglob("*.jpg")} == before
    predict(load, Request(inputs=["photos"], heatmaps="heat"))
    assert set(Path("heat").rglob("*.jpg")) == set(before), "written over, not beside"
