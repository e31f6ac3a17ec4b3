"""What the commands say and load: through the real commands where it matters, else through their parts."""

import contextlib
import logging.config
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from fakedet.entry import RunOutcome, explain, is_mendable, with_resumed_overrides
from fakedet.errors import UserError

SOURCE = Path(__file__).parents[1] / "src"
COMMANDS = ("train", "evaluate", "compare", "prepare", "audit", "export", "predict")
HEAVY = {"torch", "lightning", "wandb", "albumentations", "pandas", "matplotlib", "torchvision", "cv2", "numpy"}


def _run(command: str, *arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SOURCE / f"{command}.py"), *arguments],
        cwd=folder,
        env={**os.environ, "WANDB_MODE": "offline", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def _sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a command that stopped for a reason its caller can mend."""
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"]])
def test_help_and_config_load_nothing_heavy(command: str, arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(SOURCE / f"{command}.py"), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(re.findall(r"\|\s+(\S+)$", done.stderr, re.MULTILINE))
    assert "hydra" in loaded
    assert not {name.split(".")[0] for name in loaded} & HEAVY
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_it_does_and_gives_examples(command: str, tmp_path: Path) -> None:
    text = _run(command, "--help", folder=tmp_path).stdout
    assert len(text.splitlines()) < 40
    examples = [line.strip() for line in text.splitlines() if line.strip().startswith(f"python src/{command}.py")]
    assert len(examples) >= 3
    if command == "train":
        assert "model: efficientnet_b0" in text
        assert "celebdf" in text


def test_the_examples_of_help_compose(tmp_path: Path, compose: Callable[..., DictConfig]) -> None:
    for command in COMMANDS:
        text = _run(command, "--help", folder=tmp_path).stdout
        for example in re.findall(rf"python src/{command}\.py(.*)", text):
            arguments = example.split("   ")[0].replace(", ", ",").replace('"', "").split()
            if "-m" in arguments:  # one value of each list
                arguments = [argument.split(",")[0] for argument in arguments if argument != "-m"]
            compose(command, *arguments)


def test_a_missing_root_is_asked_for(tmp_path: Path) -> None:
    done = _run("train", "data=folder", "logger=csv", folder=tmp_path)
    assert _sentence(done) == "error: data.root must be given: data.root=…"
    (reason,) = tmp_path.rglob("failure.txt")
    assert reason.read_text() == "data.root must be given: data.root=…\n"


def test_a_sweep_names_each_failure_and_ends_with_its_table(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = _run("train", "-m", "data=folder", "data.root=none,empty", "logger=csv", folder=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "run 0 failed: data.root=none is not a folder." in done.stderr
    assert "run 1 failed: empty has no class folders" in done.stderr
    assert len(re.findall(r"^error: ", done.stderr, re.MULTILINE)) == 1
    assert "2 runs, best validation AUC first" in done.stdout


def test_a_job_that_fails_in_a_process_of_its_own_ends_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A launcher such as joblib's runs jobs in processes that saw no sweep begin.
    runtime = {"output_dir": str(tmp_path), "choices": {}}
    failed = JobReturn(status=JobStatus.FAILED)
    failed.return_value = UserError("there is no such folder.")
    for mode, ends in ((RunMode.MULTIRUN, False), (RunMode.RUN, True)):
        hydra = {"mode": mode, "runtime": runtime, "output_subdir": None}
        failed.hydra_cfg = OmegaConf.create({"hydra": hydra})
        with pytest.raises(SystemExit) if ends else contextlib.nullcontext():
            RunOutcome().on_job_end(OmegaConf.create(), failed)
        assert "there is no such folder." in capsys.readouterr().err


def test_a_sweep_that_cannot_start_says_why_alone(tmp_path: Path) -> None:
    done = _run("train", "-m", "seed=abc,abd", folder=tmp_path)
    assert _sentence(done) == "error: seed: Value 'abc' of type 'str' could not be converted to Integer."


def test_an_output_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("a file")
    sentence = _sentence(_run("train", "data=folder", "data.root=x", folder=tmp_path))
    assert re.search(r"error: outputs.* cannot be written \(not a directory\); choose another hydra.run.dir", sentence)
    assert (tmp_path / "outputs").read_text() == "a file"


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("train", ["modle=resnet18"], "there is no setting modle (did you mean model?)."),
        ("train", ["resume=nonsense"], "resume=nonsense is not the folder of a run: it has no .hydra/overrides.yaml."),
        (
            "train",
            ["augmentation=null"],
            "augmentation=null chooses nothing: leave it out, or choose none, robust, standard, strong.",
        ),
        ("evaluate", ["dta=folder"], "there is no setting dta (did you mean data?)."),
        ("compare", ["runs=[none]"], "runs=none is not a folder."),
        ("compare", [], "runs=outputs/train is not a folder."),
        ("compare", ["runs=[.]"], "There is no run below .."),
    ],
)
def test_mistakes_end_in_one_sentence(command: str, arguments: list[str], message: str, tmp_path: Path) -> None:
    assert _sentence(_run(command, *arguments, folder=tmp_path)) == f"error: {message}"
    assert list(tmp_path.iterdir()) == []


def test_the_traceback_is_there_for_who_wants_it(tmp_path: Path) -> None:
    done = _run("compare", "runs=[none]", folder=tmp_path, HYDRA_FULL_ERROR="1")
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "fakedet.errors.UserError: runs=none is not a folder." in done.stderr


def _raised(action: Callable[[], Any]) -> BaseException:
    with pytest.raises((OSError, ValueError)) as caught:
        action()
    return caught.value


def _fill_the_disk() -> None:
    with Path("/dev/full").open("w") as full:
        full.write("x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_no_bug() -> None:
    error = _raised(_fill_the_disk)
    assert is_mendable(error)
    assert "no space left on device" in explain(error)


def test_a_log_file_that_cannot_be_opened_is_no_bug(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    handler = {"class": "logging.FileHandler", "filename": str(tmp_path / "file" / "train.log")}
    # As Hydra does it: logging wraps the cause in a ValueError.
    error = _raised(lambda: logging.config.dictConfig({"version": 1, "handlers": {"file": handler}}))
    assert is_mendable(error)
    assert re.search(r"file/train.log cannot be written \(not a directory\)", explain(error))


@pytest.mark.parametrize("error", [KeyError("x"), FileNotFoundError(2, "No such file"), ValueError("x")])
def test_a_bug_stays_one(error: Exception) -> None:
    assert not is_mendable(error)


def test_a_sentence_stays_on_one_line() -> None:
    assert explain(UserError("first\n  second")) == "first second"


def _run_folder(folder: Path, *overrides: str) -> Path:
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(list(overrides)))
    return folder


def test_a_resumed_run_starts_as_it_did(tmp_path: Path, compose: Callable[..., DictConfig]) -> None:
    run = _run_folder(tmp_path / "run", "model=resnet18", "seed=3", "augmentation=strong", "resume=before")
    arguments = with_resumed_overrides(["trainer.max_epochs=7", f"resume={run}", "augmentation=none"])
    assert arguments[-2:] == [f"resume={run}", f"hydra.run.dir={run}"]
    assert [argument for argument in arguments if argument.startswith("resume=")] == [f"resume={run}"]
    config = compose("train", *arguments)
    assert (config.model.name, config.seed, config.trainer.max_epochs) == ("resnet18", 3, 7)
    assert config.augmentation.transforms == []


@pytest.mark.parametrize("arguments", [[], ["seed=3"], ["resume="], ["resume=run", "resume="], ["resume=null"]])
def test_without_resume_nothing_is_changed(arguments: list[str]) -> None:
    assert with_resumed_overrides(arguments) == arguments


@pytest.mark.parametrize(
    "override",
    [
        "+hydra.callbacks.x={_target_: torch.load}",
        " hydra/launcher=joblib",
        "++hydra.job_logging.x=1",
        "+model@hydra.callbacks.x=resnet18",
        3,
    ],
)
def test_a_run_that_was_tampered_with_is_not_resumed(override: object, tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(["seed=3", override]))
    with pytest.raises(UserError, match=r"overrides.yaml holds what no run writes there"):
        with_resumed_overrides([f"resume={tmp_path}"])


def test_what_is_no_run_cannot_be_resumed(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(UserError, match="is not the folder of a run"):
            with_resumed_overrides([f"resume={place}"])
