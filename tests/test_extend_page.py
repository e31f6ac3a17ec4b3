"""docs/extend.md: its files are put where their titles say, into a copy of the project, and its commands run there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from documented import ROOT, blocks, commands_of, files_of
from PIL import Image
from runs import metrics

from fakedet.models import checkpoint

PAGE = ROOT / "docs" / "extend.md"
QUICK = (
    "preprocess.size=32", "data.workers=0", "data.batch_size=8", "trainer.accelerator=cpu", "trainer.max_epochs=1",
    "callbacks.progress=null", "callbacks.summary=null", "logger=none", "hydra.run.dir=run",
)  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the page's files in it."""
    folder = tmp_path_factory.mktemp("extended")
    for part in ("src", "conf"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "weights"))
    for path, text in files_of(PAGE).items():
        assert not (folder / path).exists(), f"{path} is there already"
        (folder / path).write_text(text)
    return folder


def _train(project: Path) -> str:
    """Run the page's training with all of its files in the copy; what it says."""
    every = [command for block in blocks(PAGE) if block.language == "bash" for command in commands_of(block)]
    (command,) = (one for one in every if "model=quartet" in one.words)
    words = [word.replace("=/", f"={project}/") for word in command.words[1:]]
    done = subprocess.run(
        [sys.executable, *words, *QUICK],
        cwd=project,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(project / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_model_data_set_and_augmentation_are_trained_with(project: Path) -> None:
    rng = np.random.default_rng(5)
    for folder, suffix in (("photos", "jpg"), ("retouched", "png")):
        (project / "retouched" / folder).mkdir(parents=True)
        for number in range(30):
            picture = Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8))
            picture.save(project / "retouched" / folder / f"{number:04d}.{suffix}")
    assert "retouched no official split, clip_disjoint" in _train(project)
    written = metrics(project / "run")
    assert written["model"] == "quartet"
    stored = checkpoint.read(project / "run" / "checkpoints" / "best.ckpt")["fakedet"]
    assert (stored["model"], stored["options"], stored["datasets"]) == ("quartet", {"width": 32}, ["retouched"])
    assert written["splits"]["test"]["real"] == written["splits"]["test"]["fake"] > 0, "pairs stay together"


def test_the_page_shows_one_of_each_kind() -> None:
    kinds = {str(Path(path).parent) for path in files_of(PAGE)}
    assert kinds == {
        "src/fakedet/models", "conf/model", "src/fakedet/data/benchmarks", "conf/data", "conf/augmentation",
    }  # fmt: skip


def test_the_python_files_pass_the_linter(project: Path) -> None:
    files = [str(project / path) for path in files_of(PAGE) if path.endswith(".py")]
    ruff = str(Path(sys.executable).parent / "ruff")
    for check in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        command = [ruff, *check, "--config", str(ROOT / "pyproject.toml"), *files]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
