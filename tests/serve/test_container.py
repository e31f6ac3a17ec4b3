"""No engine runs in the tests: what is read here is what the files say."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from fakedet.serve.settings import Settings

ROOT = Path(__file__).parents[2]


def test_the_dockerfile_passes_its_linter() -> None:
    linter = Path(sys.executable).parent / "hadolint"
    checked = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_dockerfile_pins_its_base_and_runs_as_nobody_special() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert next(line for line in lines if line.startswith("ARG PYTHON=")).count(".") == 2
    assert sum(line.startswith("FROM python:${PYTHON}-slim-") for line in lines) == 2
    assert "USER 10001:10001" in lines
    assert any(line.startswith('CMD ["python", "-m", "fakedet.serve"') for line in lines)
    assert any(line.startswith("HEALTHCHECK") for line in lines)
    assert not any("[train]" in line or "[dev]" in line for line in lines)


def test_everything_that_the_dockerfile_copies_reaches_it() -> None:
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [
        source
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]
    assert sorted(copied) == sorted(sent)
    assert all((ROOT / source).exists() for source in copied)


def test_compose_gives_the_service_no_more_than_it_needs() -> None:
    service: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["fakedet"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] == "10001:10001"
    assert service["mem_limit"]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert "volumes" not in service  # the detector comes with the package
    assert service["ports"][0].startswith("127.0.0.1:")
    settings = {name for name in service["environment"] if name.startswith("FAKEDET_")}
    assert settings <= {f"FAKEDET_{name.upper()}" for name in Settings.model_fields}
