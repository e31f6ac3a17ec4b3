"""docs/deploy.md: its settings are those that the service reads, and its files say what the service needs."""

import re
from typing import Any

import pytest
import yaml
from documented import ROOT, files_of

from fakedet.serve.access import PATHS
from fakedet.serve.metrics import Metrics
from fakedet.serve.settings import PREFIX, Settings

FILE = ROOT / "docs" / "deploy.md"
PAGE = FILE.read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| `")]
SETTINGS = {cells[0].strip("`"): cells for cells in ROWS if cells[0].startswith(f"`{PREFIX}")}


def test_every_setting_has_a_row_and_no_row_is_too_much() -> None:
    assert list(SETTINGS) == [PREFIX + name.upper() for name in Settings.model_fields]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_defaults_are_the_settings(name: str) -> None:
    default = Settings.model_fields[name].default
    assert SETTINGS[PREFIX + name.upper()][1] == ("" if default in (None, ()) else f"{default}")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_they_are_told_as_the_service_itself_tells_them(name: str) -> None:
    told = re.search(rf"^ +{name}: (.*?)(?:\.\n|;)", Settings.__doc__ or "", re.MULTILINE | re.DOTALL)
    assert told is not None
    said = SETTINGS[PREFIX + name.upper()][2]
    shared = set(re.findall(r"\w{4,}", told[1])) & set(re.findall(r"\w{4,}", said))
    assert len(shared) >= len(set(re.findall(r"\w{4,}", told[1]))) / 2, (told[1], said)


def test_every_metric_is_one_that_the_service_has() -> None:
    metrics = Metrics()
    there = set(re.findall(r"^# TYPE (\w+)", metrics.text().decode(), re.MULTILINE))
    named = {cells[0].strip("`") for cells in ROWS} - set(SETTINGS)
    assert {name for name in named if name.startswith("fakedet_")} == {
        name for name in there if name.startswith("fakedet_") and not name.endswith("_created")
    }
    assert named <= there | {"process_resident_memory_bytes"}  # on Linux


def test_the_manifest_asks_for_what_the_service_has() -> None:
    deployment, service = yaml.safe_load_all(files_of(FILE)["fakedet.yaml"])
    pod: dict[str, Any] = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {one["name"] for one in container["env"]} <= set(SETTINGS)
    probes = {name: container[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert {probe["path"] for probe in probes.values()} <= set(PATHS)
    assert {probe["port"] for probe in probes.values()} == {container["ports"][0]["containerPort"]}
    assert service["spec"]["ports"][0]["targetPort"] == container["ports"][0]["containerPort"]
    threads = next(one["value"] for one in container["env"] if one["name"] == "FAKEDET_THREADS")
    assert threads == container["resources"]["limits"]["cpu"]
    assert f"USER {pod['securityContext']['runAsUser']}:" in (ROOT / "Dockerfile").read_text()
    stop = re.search(r"_STOP_SECONDS = (\d+)", (ROOT / "src/fakedet/serve/__main__.py").read_text())
    assert stop is not None
    assert pod["terminationGracePeriodSeconds"] > int(stop[1])


def test_the_proxy_lets_through_what_the_service_takes() -> None:
    conf = files_of(FILE)["fakedet.conf"]
    fields = Settings.model_fields
    assert f"client_max_body_size    {fields['max_upload_bytes'].default // 2**20}m;" in conf
    assert f"client_body_timeout     {fields['receive_seconds'].default}s;" in conf
    assert conf.count("{") == conf.count("}")
    assert set(re.findall(r"location (?:= )?(/\S*)", conf)) <= set(PATHS)
