"""Every command that README and docs show is run here or, where it cannot be, held to what would run it.

The commands are found by `documented`, act in a miniature world (`small_world`), and are told apart in
`command_kinds`. A new page needs nothing here, unless it shows a kind of command that was never shown before.
"""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_kinds import SETTINGS, Case, check
from documented import Block, Command, blocks, commands_of, distinct_commands, pages, programs
from services import Server, serving
from small_world import make_world

from fakedet.detector import cli

COMMANDS = distinct_commands()
PROGRAMS = programs()


@pytest.fixture(scope="module")
def small_world(
    tmp_path_factory: pytest.TempPathFactory, make_folder: Callable[..., Path], detector_file: Path
) -> Path:
    return make_world(tmp_path_factory.mktemp("world"), make_folder, detector_file)


@pytest.fixture
def world(small_world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The world, worked in; a detector that is not named is the tiny one."""
    monkeypatch.chdir(small_world)
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(cli.VARIABLE, str(small_world / "detector.onnx"))
    return small_world


@pytest.fixture(scope="module")
def service(detector_file: Path) -> Iterator[Server]:
    with serving(detector_file, threads=1) as server:
        yield server


def _names(shown: list[Command] | list[Block]) -> list[str]:
    return [f"{one.page}:{one.line}" for one in shown]


@pytest.mark.parametrize("command", COMMANDS, ids=_names(COMMANDS))
def test_a_command_does_what_its_page_says(
    command: Command, world: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    check(Case(command, world, tmp_path, lambda: request.getfixturevalue("service")))


@pytest.mark.parametrize("program", PROGRAMS, ids=_names(PROGRAMS))
def test_a_program_runs(program: Block, world: Path) -> None:
    exec(compile(program.text, program.page, "exec"), {"__name__": "__main__"})


def test_every_block_of_shell_can_be_read() -> None:
    shown = [block for page in pages() for block in blocks(page) if block.language == "bash"]
    assert len(shown) > 10
    for block in shown:
        read = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
        assert read.returncode == 0, f"{block.page}:{block.line} {read.stderr}"


def test_shell_is_taken_apart_as_a_shell_does() -> None:
    text = """\
FAKEDET_THREADS=2 python a.py x='1 2' \\
    y=[3]  # why
python - /data <<'END' && ls > found
first  # kept
END
cat x | jq '.a | .b'
"""
    found = list(commands_of(Block("page", 7, "bash", None, text)))
    assert [(command.line, command.words, command.environment) for command in found] == [
        (8, ("python", "a.py", "x=1 2", "y=[3]"), {"FAKEDET_THREADS": "2"}),
        (10, ("python", "-", "/data"), {}),
        (10, ("ls",), {}),
        (13, ("cat", "x"), {}),
        (13, ("jq", ".a | .b"), {}),
    ]
    assert found[1].text == "first  # kept\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("trian --epochs 3", "is of no kind that is known"),
        ("python src/train.py dta=folder", "dta"),
        ("python src/train.py data=folder data.root=x trainer.precision=fp8", "fp8"),
        ("python src/evaluate.py ckpt=x data=celebd", "celebd"),
        ("python src/evaluate.py ckpt=x pooling=best", "best"),
        ("python src/train.py -m data.root=x data=folder,foldr", "foldr"),
        ("make trian", "trian"),
        ("make eval", "something is wanted"),
        ("make export ckpt=x args='quantise=int8'", "quantise"),
        ("scripts/download_dataset.sh celebd /data", "celebd"),
        ("python scripts/bench_train.py --pear 3", "--pear"),
        ("FAKEDET_TREADS=2 uvicorn fakedet.serve.app:app", "FAKEDET_TREADS"),
        ("uvicorn fakedet.serve:app", "fakedet.serve:app"),
        ("curl -F image=@photo.jpg http://127.0.0.1:8000/prediction", "/prediction"),
        ("docker run -e FAKEDET_TREADS=2 fakedet", "FAKEDET_TREADS"),
        ("pip install '.[service]'", "service"),
        ("wandb synch logs", "synch"),
    ],
)
def test_what_is_wrong_is_found(line: str, message: str, world: Path, tmp_path: Path) -> None:
    (command,) = commands_of(Block("README.md", 1, "bash", None, line))
    with pytest.raises(BaseException, match=re.escape(message)):
        check(Case(command, world, tmp_path, lambda: pytest.fail("nothing is asked")))
