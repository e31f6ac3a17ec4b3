"""The kinds of command that pages show, and how each is run or held to what would run it."""

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest
from documented import ROOT, Block, Command, commands_of, distinct_commands, files_of
from services import Server
from small_world import QUICK, check_accepted, chosen, composed, entry_of, placed, provide, variants
from uvicorn.main import main as uvicorn_command
from wandb.cli.cli import cli as wandb_command

from fakedet.data.miniatures import NAMES as TREES
from fakedet.detector import cli
from fakedet.entry import with_resumed_overrides
from fakedet.errors import UserError
from fakedet.models.registry import names as networks
from fakedet.serve.access import PATHS
from fakedet.serve.settings import _OF_OTHERS, PREFIX, Settings, read_settings

CHOSEN = chosen(distinct_commands())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
SETTINGS = {PREFIX + name.upper() for name in Settings.model_fields}
# Hydra's plugins -> the package that brings it.
PLUGINS = {
    "joblib": "hydra-joblib-launcher",
    "submitit_local": "hydra-submitit-launcher",
    "submitit_slurm": "hydra-submitit-launcher",
    "ray": "hydra-ray-launcher",
    "optuna": "hydra-optuna-sweeper",
}
# Programs of others, whose arguments are theirs to check.
FOREIGN = {"cd", "jq", "sha256sum", "ls", "mkdir"}


@dataclass(frozen=True)
class Case:
    """A command that is tried.

    Attributes:
        command: which.
        world: where it acts.
        own: a folder that nobody else has.
        service: starts the service, once, and gives it.
    """

    command: Command
    world: Path
    own: Path
    service: Callable[[], Server]

    @property
    def words(self) -> list[str]:
        """The program and its arguments, with the places that they name moved into the world."""
        return [placed(word, self.world) for word in self.command.words]


def entry(case: Case, name: str, words: list[str]) -> None:
    """`python src/<name>.py`."""
    if any(word in ("--help", "--hydra-help", "--cfg", "--info") for word in words):
        program = [sys.executable, str(ROOT / "src" / f"{name}.py"), *words]
        subprocess.run(program, cwd=case.own, check=True, capture_output=True)
        return
    for plugin in re.findall(r"hydra/(?:launcher|sweeper)=(\w+)", " ".join(words)):
        assert any(line.startswith(PLUGINS[plugin]) for extra in EXTRAS.values() for line in extra)
    conf, own = ROOT / "conf", files_of(ROOT / case.command.page)
    if any(path.startswith("conf/") for path in own):
        conf = Path(shutil.copytree(conf, case.own / "conf"))
        for path, text in own.items():
            if path.startswith("conf/"):
                (case.own / path).write_text(text)
    given = with_resumed_overrides([word for word in words if word not in ("-m", "--multirun")])
    for overrides in variants(given):
        config = composed(name, overrides, case.own / "run", conf)
        if not any(path.startswith("src/") for path in own):  # else a class of that page, whose own test runs it
            check_accepted(name, config)
    if str(case.command) in CHOSEN:
        script = importlib.util.spec_from_file_location(f"entry_{name}", ROOT / "src" / f"{name}.py")
        assert script is not None
        assert script.loader is not None
        module = importlib.util.module_from_spec(script)
        (case.own / "run").mkdir()  # as Hydra does
        script.loader.exec_module(module)
        try:
            module.main(composed(name, [*given, *QUICK.get(name, [])], case.own / "run", conf))
        except UserError as error:
            assert (name, error.status) == ("audit", 3), error  # an audit that found something


def python(case: Case) -> None:
    """`python …`."""
    words, name = case.words, entry_of(case.command.words)
    if name is not None:
        entry(case, name, words[2:])
    elif words[1] == "-":
        compile(case.command.text or "", case.command.page, "exec")
    elif words[1] == "-c":
        compile(words[2], case.command.page, "exec")
    elif words[1:3] == ["-m", "fakedet.serve"]:
        serve(case, words[3:])
    elif words[1:3] == ["-m", "pip"]:
        install(words[2:])
    elif words[1:3] == ["-m", "pytest"]:
        assert all((ROOT / word).exists() for word in words[3:] if not word.startswith("-"))
    else:
        script(words[1], words[2:])


def serve(case: Case, words: list[str]) -> None:
    """The service by its own entry: its flags and, in the environment, its settings."""
    assert {word for word in words if word.startswith("-")} <= {"--host", "--port", "--help"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in case.command.environment.items():
            patch.setenv(name, value)
        read_settings()


def uvicorn(case: Case) -> None:
    """The service in uvicorn, whose own parser reads the arguments."""
    serve(case, [])
    app = uvicorn_command.make_context("uvicorn", case.words[1:]).params["app"]
    assert app == "fakedet.serve.app:app", f"{app} is not the application"


def script(name: str, words: list[str]) -> None:
    """A program of `scripts/`, which knows the flags and names that it is given."""
    text = (ROOT / name).read_text()
    assert name.startswith("scripts/")
    for flag in (word.partition("=")[0] for word in words if word.startswith("--")):
        assert f'"{flag}"' in text or flag in ("--help",), f"{name} has no {flag}"
    known = {
        "scripts/download_dataset.sh": (words[:1], re.findall(r"^    ([a-z_0-9]+)\)", text, re.MULTILINE)),
        "scripts/download_weights.sh": (words, networks()),
        "scripts/sample_trees.py": (words[1:], TREES),
    }
    given, offered = known.get(name, ([], []))
    strange = {word for word in given if not word.startswith("-")} - set(offered)
    assert not strange, f"{name} knows nothing of {', '.join(strange)}"


def make(case: Case) -> None:
    """A target that `make help` lists, and what it would run."""
    words = ["make", "-n", "--no-print-directory", *case.words[1:]]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    for target in (word for word in case.words[1:] if "=" not in word):
        assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE), f"no target {target}"
    for line in said.stdout.splitlines():
        if re.search(r"python (src|scripts)/|-m fakedet\.serve", line):
            assert '=""' not in line, f"something is wanted: {line}"
            block = Block(case.command.page, case.command.line, "bash", None, line)
            check(replace(case, command=next(commands_of(block))))


def fakedet(case: Case) -> None:
    """The console command; what would be downloaded is not."""
    options = cli._parser().parse_args(case.words[1:])
    inputs = list(getattr(options, "input", []))
    if any("://" in word for word in inputs) or options.engine != "onnxruntime":
        return
    for word in [*inputs, *filter(None, (options.model, getattr(options, "urls", None)))]:
        provide(word, case.world)
    for word in filter(None, (getattr(options, "json", None), getattr(options, "csv", None))):
        (case.world / word).unlink(missing_ok=True)  # another command's, perhaps
    assert cli.main(case.words[1:]) == 0


def curl(case: Case) -> None:
    """A question to the service, which is asked; elsewhere the address has to be one of its own."""
    here = r"https?://(127\.0\.0\.1|localhost):8000"
    address = next(word for word in case.command.words if "://" in word)
    path = re.sub(r"^\w+://[^/]+|\?.*$", "", address) or "/"
    assert path in PATHS, f"the service has no {path}"
    if not re.match(here, address) or shutil.which("curl") is None:
        return
    words = [re.sub(here, case.service().url, word) for word in case.command.words]
    for file in re.findall(r"=@([^;\s]+)", " ".join(words)):
        provide(file, case.world)
    subprocess.run([*words, "--silent", "--show-error", "--fail"], cwd=case.world, check=True, capture_output=True)


def install(words: list[str]) -> None:
    """`pip install …`: this project with extras that it has, or a package that it asks for."""
    wanted = {re.split(r"[\[<>=]", line)[0] for lines in (PROJECT["dependencies"], *EXTRAS.values()) for line in lines}
    for word in words[words.index("install") + 1 :]:
        here = re.fullmatch(r"\.(?:\[([\w,]+)\])?", word)
        if here:
            assert set((here[1] or "serve").split(",")) <= set(EXTRAS), f"no such extra: {word}"
        else:
            assert word.startswith("-") or word in wanted or word.endswith((".whl", ".txt")), f"who asks for {word}?"


def docker(case: Case) -> None:
    """A container: the files are there, and what is set is a setting."""
    words, known = case.words, SETTINGS | {"DETECTOR"}
    assert words[1] in ("build", "run", "compose", "logs", "stop", "ps"), f"docker {words[1]}"
    given = {word.partition("=")[0] for before, word in pairwise(words) if before in ("-e", "--env")}
    strange = {*given, *(name for name in case.command.environment if name.startswith(PREFIX))} - known
    assert not strange, f"nothing reads {', '.join(strange)}"


def sbatch(case: Case) -> None:
    """A job for Slurm: what it wraps."""
    inner = case.command.words[case.command.words.index("--wrap") + 1].removeprefix("srun ")
    block = Block(case.command.page, case.command.line, "bash", None, inner)
    for command in commands_of(block):
        check(replace(case, command=command))


def kubectl(case: Case) -> None:
    """A manifest that the page itself shows."""
    words = case.words
    if "-f" in words:
        assert words[words.index("-f") + 1] in files_of(ROOT / case.command.page)
    assert words[1] in ("apply", "create", "rollout", "get", "set", "logs"), f"kubectl {words[1]}"


def wandb(case: Case) -> None:
    """W&B's own command."""
    assert case.words[1] in wandb_command.commands, f"W&B has no command {case.words[1]}"


def nothing(case: Case) -> None:
    """What needs no more than to be written well."""
    first = case.words[1:2]
    if case.words[0] == "source":
        assert first == [".venv/bin/activate"]
    if case.words[0] == "git":
        assert first[0] in ("clone", "pull", "checkout", "tag")


KINDS: dict[str, Callable[[Case], None]] = {
    "python": python, "make": make, "fakedet": fakedet, "curl": curl, "uvicorn": uvicorn, "docker": docker,
    "kubectl": kubectl, "sbatch": sbatch, "wandb": wandb, "pip": lambda case: install(case.words), "source": nothing,
    "git": nothing, "export": nothing, "tensorboard": nothing, **dict.fromkeys(FOREIGN, nothing),
}  # fmt: skip


def check(case: Case) -> None:
    """Run a command, or hold it to what would run it.

    Raises:
        AssertionError: for a command of no known kind, and one that would not do what it says; or whatever the
            command itself raises.
    """
    unknown = {name for name in case.command.environment if name.startswith(PREFIX)} - SETTINGS - _OF_OTHERS
    assert not unknown, f"{', '.join(unknown)} is set and nothing reads it"
    if not case.command.words:
        return  # assignments alone
    program = case.command.words[0]
    if program.startswith("scripts/"):
        script(program, case.words[1:])
        return
    kind = KINDS.get(program.rpartition("/")[2])
    assert kind is not None, (
        f"{case.command.page}:{case.command.line} shows `{case.command}`, which is of no kind that is known: "
        "write it in another way, or teach tests/command_kinds.py how it is tried."
    )
    kind(case)
