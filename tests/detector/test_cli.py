"""The console command as its users call it, and its Hydra twin."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fakedet.detector import chart, cli, terminal

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("fakedet")


@pytest.fixture
def folder(tmp_path: Path, make_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """`photos` with eight pictures, and the tests run beside it, without a detector in the environment."""
    make_folder(tmp_path / "photos", groups=4)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(cli.VARIABLE, raising=False)
    return tmp_path / "photos"


def _run(*arguments: object, command: tuple[object, ...] = (COMMAND,)) -> subprocess.CompletedProcess[str]:
    whole = [str(part) for part in (*command, *arguments)]
    return subprocess.run(whole, capture_output=True, text=True, timeout=120)


def _lines(file: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]


def test_a_folder_gives_a_table_and_status_0(folder: Path, detector_file: Path) -> None:
    done = _run("predict", "photos", "--model", detector_file, "--json", "out.jsonl", "--csv", "out.csv")
    assert done.returncode == 0
    assert done.stderr == ""  # no progress where no terminal is
    head, *rows = done.stdout.split("\n\n")[0].splitlines()
    assert head.split() == ["file", "verdict", "P(fake)", "faces", "reasons"]
    assert [row.split()[:2] for row in rows] == [[line["file"], line["verdict"]] for line in _lines("out.jsonl")]
    assert "8 files in" in done.stdout


def test_the_hydra_twin_says_the_same(folder: Path, detector_file: Path) -> None:
    assert cli.main(["predict", "photos", "--model", str(detector_file), "--json", "console.jsonl"]) == 0
    done = _run(
        f"ckpt={detector_file}",
        "input=photos",
        "json=hydra.jsonl",
        command=(sys.executable, ROOT / "src" / "predict.py"),
    )
    assert done.returncode == 0, done.stderr
    console, hydra = (
        [{**line, "milliseconds": None} for line in _lines(f"{name}.jsonl")] for name in ("console", "hydra")
    )
    assert console == hydra
    assert sorted(path.name for path in Path().iterdir()) == ["console.jsonl", "hydra.jsonl", "photos"]


def test_the_hydra_twin_judges_with_a_checkpoint(folder: Path) -> None:
    import torch

    from fakedet.detector.spec import PreprocessSpec
    from fakedet.detector.trained_on import TrainedOn
    from fakedet.models import build, load_detector
    from fakedet.models.checkpoint import Card, stamp

    network = build("timm", model_name="test_resnet")
    spec = PreprocessSpec(size=64)
    card = Card(
        "timm", network.options, spec, {}, "0" * 16, "by group", ("pictures",), 16, TrainedOn(np.zeros(0, np.int64))
    )
    state: dict[str, Any] = {"state_dict": {f"network.{name}": value for name, value in network.state_dict().items()}}
    stamp(state, card)
    torch.save(state, "some.ckpt")
    twin = (sys.executable, ROOT / "src" / "predict.py")
    done = _run("ckpt=some.ckpt", "input=photos/real", "json=out.jsonl", command=twin)
    assert done.returncode == 0, done.stderr
    detector = load_detector("some.ckpt")
    for line in _lines("out.jsonl"):
        wanted = detector.predict(Path(line["file"]))
        assert (line["verdict"], line["model"]) == (wanted.verdict, detector.sha256)
        assert line["probability"] == pytest.approx(wanted.probability, abs=1e-6)
    refused = _run("ckpt=some.ckpt", "input=photos/real", "engine=openvino", command=twin)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "engine=openvino runs an exported .onnx" in refused.stderr


def test_the_hydra_twin_says_what_is_wrong_in_one_sentence(folder: Path, detector_file: Path) -> None:
    for arguments, status, sentence in (
        ([f"ckpt={detector_file}", "input=nowhere"], 1, "error: nowhere does not exist."),
        (
            [f"ckpt={detector_file}", "input=[photos, bad.jpg]", "strict=true"],
            3,
            "error: 1 of 9 files have no verdict.",
        ),
    ):
        Path("bad.jpg").touch()
        done = _run(*arguments, command=(sys.executable, ROOT / "src" / "predict.py"))
        assert (done.returncode, done.stderr.strip()) == (status, sentence)


def test_the_command_loads_neither_torch_nor_hydra(folder: Path, detector_file: Path) -> None:
    code = (
        "import sys; from fakedet.detector.cli import main; "
        f"status = main(['predict', 'photos', '--model', {str(detector_file)!r}, '--csv', 'out.csv']); "
        "heavy = {'torch', 'hydra', 'omegaconf', 'pandas', 'lightning', 'matplotlib', 'rich'} & set(sys.modules); "
        "sys.exit(status or (print(heavy) or 9 if heavy else 0))"
    )
    assert _run("-c", code, command=(sys.executable,)).returncode == 0


def test_help_and_version_answer_at_once() -> None:
    for arguments in (["--help"], ["predict", "--help"], ["model", "--help"], ["--version"]):
        done = _run(*arguments)
        assert done.returncode == 0
        assert done.stdout
    assert _run("--version").stdout.startswith("fakedet ")


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["predict", "photos", "--model", "gone.onnx"], 1, "There is no file gone.onnx"),
        (["predict", "photos", "--model", "photos/real/g00_0.jpg"], 1, "is no ONNX file"),
        (["predict", "--model", "MODEL"], 1, "Nothing is given to judge"),
        (["predict", "photos", "--model", "MODEL", "--engine", "onnx"], 1, "engine='onnx' (did you mean onnxruntime?)"),
        (["predict", "photos", "--modle", "MODEL"], 2, "unrecognized arguments: --modle"),
        (["predict", "photos", "--threads", "many"], 2, "invalid int value"),
        (["juge"], 2, "invalid choice: 'juge'"),
        ([], 2, "required: COMMAND"),
    ],
)
def test_wrong_arguments_get_a_sentence(
    folder: Path,
    detector_file: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    sentence: str,
) -> None:
    chosen = [str(detector_file) if argument == "MODEL" else argument for argument in arguments]
    try:
        found: object = cli.main(chosen)
    except SystemExit as error:
        found = error.code
    captured = capsys.readouterr()
    assert found == status
    assert sentence in captured.err
    assert captured.out == ""
    if status == 1:
        assert captured.err.count("\n") == 1


def test_the_environment_names_the_detector(
    folder: Path, detector_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    monkeypatch.setenv(cli.VARIABLE, str(detector_file))
    assert cli.main(["model"]) == 0
    out = capsys.readouterr().out
    assert "trained on: pictures; 16 images in its own training" in out
    assert "threshold:  0.5" in out
    assert hashlib.sha256(detector_file.read_bytes()).hexdigest() in out
    assert "looks at:   whole pictures, the middle square at 64 × 64 pixels" in out


def test_strict_is_status_3_and_nothing_else_is(folder: Path, detector_file: Path) -> None:
    arguments = ["predict", "photos", "--model", str(detector_file)]
    assert cli.main([*arguments, "--strict"]) == 0
    (folder / "empty.png").touch()
    assert cli.main(arguments) == 0
    assert cli.main([*arguments, "--strict"]) == 3


ODD = [
    "\x1b[31mred\x1b[0m.jpg",
    "new\nline.jpg",
    "\u202egpj.exe.jpg",
    "-rf.jpg",
    "=1+1.jpg",
    "ünï 漢字.jpg",
    "a\rb.jpg",
]


def test_odd_names_reach_files_but_no_terminal(folder: Path, detector_file: Path) -> None:
    good = next(folder.rglob("*.jpg"))
    Path("odd").mkdir()
    for name in ODD:
        shutil.copy(good, Path("odd") / name)
        Path("odd", f"bad {name}").touch()
    raw = os.fsencode("odd/") + b"\xff\xfe.jpg"
    Path(os.fsdecode(raw)).write_bytes(good.read_bytes())
    done = _run(
        "predict", "odd", "--model", detector_file, "--json", "out.jsonl", "--csv", "out.csv", "--heatmaps", "heat"
    )
    assert done.returncode == 0, done.stderr
    assert not [letter for letter in done.stdout + done.stderr if not letter.isprintable() and letter != "\n"]
    assert r"odd/\x1b[31mred\x1b[0m.jpg" in done.stdout
    lines = _lines("out.jsonl")
    assert {f"odd/{name}" for name in ODD} | {r"odd/\udcff\udcfe.jpg"} <= {line["file"] for line in lines}
    scored = [line for line in lines if line["status"] == "scored"]
    assert len(scored) == len(ODD) + 1
    assert all(Path("heat", line["heatmap"]).is_file() for line in scored)
    again = _run(
        "predict", "odd", "--model", detector_file, "--json", "out.jsonl", "--csv", "out.csv", "--heatmaps", "heat"
    )
    assert "15 of 15 files are done already" in again.stdout
    os.chdir("odd")
    inside = _run("predict", "--model", detector_file, "--csv", "-", "--", "-rf.jpg", "=1+1.jpg")
    assert [line.split(",")[0] for line in inside.stdout.splitlines()[1:]] == ["./-rf.jpg", "./=1+1.jpg"]


@pytest.fixture
def long_run(folder: Path, detector_file: Path) -> tuple[list[str], int]:
    """A command that takes some seconds, and the number of its files."""
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), np.uint8)
    Path("many").mkdir()
    assert cv2.imwrite("many/000.png", noise)
    for number in range(1, 24):
        os.link("many/000.png", f"many/{number:03}.png")
    return [str(COMMAND), "predict", "many", "--model", str(detector_file), "--json", "out.jsonl", "--threads", "1"], 24


def _hear_ctrl_c() -> None:
    # A shell that starts the tests in the background lets everything below it ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _stop_in_the_middle(command: list[str], number: int) -> tuple[int, str]:
    """Start it, send the signal once some files are done; its status and what it said."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=_hear_ctrl_c
    )
    deadline = time.monotonic() + 60
    while not Path("out.jsonl").exists() or Path("out.jsonl").read_bytes().count(b"\n") < 3:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    return process.returncode, said


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)],
    ids=lambda value: str(value),
)
def test_a_run_that_is_stopped_goes_on_where_it_was(long_run: tuple[list[str], int], number: int, status: int) -> None:
    command, total = long_run
    found, said = _stop_in_the_middle(command, number)
    assert found == status
    before = Path("out.jsonl").read_bytes()
    done = before.count(b"\n")
    assert 0 < done < total
    if number != signal.SIGKILL:
        assert said == f"error: stopped after {done} of 24 files; the same command goes on from there (out.jsonl).\n"
    again = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0
    assert f"{done} of 24 files are done already" in again.stdout
    assert Path("out.jsonl").read_bytes().startswith(before[: before.rfind(b"\n") + 1])
    assert [line["file"] for line in _lines("out.jsonl")] == [f"many/{place:03}.png" for place in range(total)]


def test_what_reads_the_table_may_stop_reading(long_run: tuple[list[str], int]) -> None:
    command, _ = long_run
    process = subprocess.Popen([*command[:3], *command[3:5]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    assert process.wait(timeout=60) == 1
    assert said == ""


def test_a_terminal_sees_how_far_it_is(folder: Path, detector_file: Path) -> None:
    (folder / "\x1b]0;title\x07.jpg").touch()
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "predict", "photos", "--model", detector_file, "--threads", "1"], stdout=follower, stderr=follower,
        env={**os.environ, "COLUMNS": "70", "TERM": "xterm"},
    )  # fmt: skip
    os.close(follower)
    said = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:  # as Linux says that nobody is left
            break
        if not part:
            break
        said += part
    os.close(leader)
    assert process.wait(timeout=60) == 0
    text = said.decode()
    assert "1 of 9 files, " in text
    assert " a second" in text
    # Of what a terminal obeys there is the clearing of the progress line alone.
    plain = re.sub(r"\r\x1b\[2K(\d+ of 9 files[^\r]*)?", "", text).replace("\r\n", "\n")
    assert not [letter for letter in plain if not letter.isprintable() and letter != "\n"]
    # The table is whole: no progress is left in its lines.
    rows = plain.split("\n\n")[0].splitlines()
    assert [row for row in rows if terminal.width(row) > 75] == []


def test_names_are_fitted_into_columns() -> None:
    assert terminal.fitted("photo.jpg", 12) == "photo.jpg   "
    assert terminal.fitted("a_very_long_name.jpg", 11) == "a_ver…e.jpg"
    assert terminal.width(terminal.fitted("漢字漢字漢字漢字", 9)) == 9
    assert terminal.width("é漢\u0301") == 3


@pytest.mark.parametrize(
    ("probability", "text"),
    [(None, "–"), (0.0, "0.0 %"), (1.0, "100.0 %"), (1e-9, "<0.1 %"), (0.99999, ">99.9 %"), (0.5, "50.0 %")],
)
def test_a_probability_is_never_rounded_to_certainty(probability: float | None, text: str) -> None:
    assert terminal.percent(probability) == text


def test_durations_read_well() -> None:
    assert [terminal.duration(value) for value in (0.04, 9.99, 61.6, 3599.6, 7325)] == [
        "0.0 s", "10 s", "1 min 2 s", "1 h 0 min", "2 h 2 min"
    ]  # fmt: skip


def test_a_chart_rises_where_the_probability_does() -> None:
    seconds = [float(second) for second in range(40)]
    lines = chart.draw(seconds, [0.0] * 20 + [1.0] * 20, 40.0, 48, "utf-8")
    assert len(lines) == 6
    bars = [line[7:].ljust(40) for line in lines[:4]]
    assert all(bar[20:] == "█" * 20 for bar in bars)
    assert [bar[:20].strip() for bar in bars] == ["", "", "", "▁" * 20]
    assert lines[5].split() == ["0:00", "0:40"]
    gap = chart.draw([*seconds[:10], *seconds[30:]], [0.5] * 20, 40.0, 48, "utf-8")
    assert gap[3][7:].rstrip() == "█" * 10 + " " * 20 + "█" * 10
    assert "#" in chart.draw(seconds, [1.0] * 40, 40.0, 48, "ascii")[0]
    assert chart.draw([], [], 0.0, 48, "utf-8")
    assert [chart.clock(value) for value in (7.9, 754, 3723)] == ["0:07", "12:34", "1:02:03"]
