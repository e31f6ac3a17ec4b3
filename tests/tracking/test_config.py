"""What `logger=...` on the command line composes to, and what that imports."""

import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from fakedet.tracking import Tracker

CONF = Path(__file__).parents[2] / "conf"
NAMES = sorted(file.stem for file in (CONF / "logger").glob("*.yaml"))


def _loggers(choice: str) -> dict[str, Tracker]:
    overrides = [f"+logger={choice}", "+run.dir=out", "+run.name=a", "+run.group=null", "+run.tags=[b]"]
    with initialize_config_dir(str(CONF), version_base=None):
        config = compose(overrides=overrides)
    return {name: instantiate(node, _convert_="all") for name, node in config.get("logger", {}).items()}


@pytest.mark.parametrize("name", NAMES)
def test_every_choice_builds(name: str) -> None:
    built = _loggers(name)
    assert list(built) == ([] if name == "none" else [name])
    assert all(isinstance(tracker, Tracker) for tracker in built.values())


def test_choices_combine() -> None:
    assert list(_loggers("[wandb,csv,tensorboard]")) == ["wandb", "csv", "tensorboard"]


def test_only_the_chosen_library_is_imported() -> None:
    program = """
import sys
import fakedet.tracking
from fakedet.tracking.csv_tracker import CsvTracker
tracker = CsvTracker("csv")
tracker.log_metrics({"auc": 0.5}, step=1)
tracker.close()
from fakedet.tracking.wandb_tracker import WandbTracker
WandbTracker("forensics", "out")
print("wandb" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "False"
