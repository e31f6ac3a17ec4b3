"""Every test here sees a machine without W&B account or settings, and works in a folder of its own."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in {name for name in os.environ if name.startswith("WANDB_")} | {"WANDB_DATA_DIR"}:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)  # what the code sets is taken back too
    monkeypatch.delenv("NETRC", raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
