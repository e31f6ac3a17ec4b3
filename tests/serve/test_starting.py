import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from services import OWN_ENTRY, UVICORN, launch, serving

from fakedet.errors import UserError
from fakedet.serve.settings import Settings, read_settings

Encode = Callable[..., bytes]
KEY = "a key of some length"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Without settings of the machine."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"FAKEDET_{name.upper()}", raising=False)
    return monkeypatch


def test_settings_come_from_the_environment(environment: pytest.MonkeyPatch) -> None:
    given = {"MODEL": "a.onnx", "THREADS": "3", "API_KEY": KEY, "CORS_ORIGINS": "https://a.org, http://b:8080"}
    for name, value in given.items():
        environment.setenv(f"FAKEDET_{name}", value)
    settings = read_settings()
    assert settings.model_file() == Path("a.onnx")
    assert settings.workers == 3
    assert settings.cors_origins == ("https://a.org", "http://b:8080")
    assert KEY not in repr(settings)


def test_by_default_nobody_else_may_ask_and_all_cores_work(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("FAKEDET_API_KEY", "")
    settings = read_settings()
    assert settings.cors_origins == ()
    assert settings.api_key is None
    assert settings.workers >= 1


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("FAKEDET_TREADS", "2", "did you mean FAKEDET_THREADS"),
        ("FAKEDET_THREADS", "two", "FAKEDET_THREADS='two' cannot be used"),
        ("FAKEDET_THREADS", "0", "greater than or equal to 1"),
        ("FAKEDET_MAX_PIXELS", "60000000", "less than or equal to 50000000"),
        ("FAKEDET_RECEIVE_SECONDS", "nan", "FAKEDET_RECEIVE_SECONDS"),
        ("FAKEDET_SHA256", "abc", "FAKEDET_SHA256"),
        ("FAKEDET_CORS_ORIGINS", "*", "https://example.org"),
        ("FAKEDET_API_KEY", "short", "FAKEDET_API_KEY cannot be used"),
        ("FAKEDET_API_KEY", "short-but-long-enough\n", "without blanks or line breaks at its ends"),
        ("FAKEDET_API_KEY", " short-but-long-enough", "without blanks or line breaks at its ends"),
        ("FAKEDET_API_KEY", "short-but-long-enough-ä", "printable ASCII alone"),
    ],
)
def test_wrong_settings_are_refused(environment: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    environment.setenv(name, value)
    with pytest.raises(UserError, match=r"cannot be used|is no setting") as caught:
        read_settings()
    assert message in str(caught.value)
    assert "short" not in str(caught.value)


def test_a_service_without_a_usable_detector_does_not_start(detector_file: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.onnx").write_bytes(detector_file.read_bytes()[:-5000])
    cases: dict[str, dict[str, Any]] = {
        "missing.onnx": {"FAKEDET_MODEL": tmp_path / "missing.onnx"},
        "cut.onnx": {"FAKEDET_MODEL": tmp_path / "cut.onnx"},
        "detector.onnx": {"FAKEDET_MODEL": detector_file, "FAKEDET_SHA256": "0" * 64},
        "FAKEDET_QUEUE": {"FAKEDET_MODEL": detector_file, "FAKEDET_QUEUE": "long"},
    }
    entries = [OWN_ENTRY if "QUEUE" in name else UVICORN for name in cases]
    starts = [launch(entry, given, tmp_path) for entry, given in zip(entries, cases.values(), strict=True)]
    for name, process in zip(cases, starts, strict=True):
        output = process.communicate(timeout=60)[0]
        assert process.returncode not in (0, None)
        told = [line for line in output.splitlines() if name in line]
        assert len(told) == 1, output
        assert told[0].endswith(".")
        assert "Traceback" not in output
        assert "running on" not in output


def test_a_detector_whose_weights_are_no_numbers_never_says_real(
    detector_file: Path, encoded: Encode, tmp_path: Path
) -> None:
    model = onnx.load(detector_file)
    weights = next(tensor for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT)
    broken = np.full_like(numpy_helper.to_array(weights), np.nan)
    weights.CopyFrom(numpy_helper.from_array(broken, weights.name))
    onnx.save(model, tmp_path / "nan.onnx")
    with serving(tmp_path / "nan.onnx") as server:
        assert server.get("/health").status_code == 200
        ready = server.get("/ready")
        assert (ready.status_code, ready.json()["code"]) == (503, "not-ready")
        for response in (
            server.post(encoded("PNG")),
            server.post(encoded("PNG"), "/predict?explain=true"),
            server.post(encoded("PNG"), "/predict/batch", field="images"),
        ):
            assert (response.status_code, response.json()["code"]) == (500, "no-verdict")
            assert "real" not in response.text
        assert server.metric("fakedet_ready") == 0


def test_a_key_and_other_origins_when_they_are_set(detector_file: Path, encoded: Encode) -> None:
    origin = "https://example.org"
    with serving(detector_file, api_key=KEY, cors_origins=origin) as server:
        for headers in ({}, {"X-API-Key": "wrong"}, {"X-API-Key": KEY + "!"}, {"X-API-Key": KEY[:-1]}):
            for address in ("/model", "/metrics"):
                refused = server.client.get(address, headers=headers)
                assert (refused.status_code, refused.json()["code"]) == (401, "unauthorised")
                assert refused.headers["www-authenticate"]
        assert server.post(encoded("PNG")).status_code == 401
        assert (
            server.get("/health").status_code == server.get("/ready").status_code == server.get("/").status_code == 200
        )
        allowed = server.client.post(
            "/predict",
            files={"image": ("x", encoded("PNG"))},
            headers={"X-API-Key": KEY, "Origin": origin},
        )
        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == origin
        other = server.client.get("/health", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers
        assert server.get("/openapi.json").json()["paths"]["/predict"]["post"]["security"]
        assert KEY not in server.log()


def test_without_origins_no_other_page_may_read_an_answer(service: Any) -> None:
    headers = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    assert service.client.options("/predict", headers=headers).status_code == 405
    assert "access-control-allow-origin" not in service.client.get("/health", headers=headers).headers


def test_the_service_loads_nothing_heavy() -> None:
    code = (
        "import sys, fakedet.serve.app, fakedet.serve.__main__; print(*sorted({n.split('.')[0] for n in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "fastapi" in loaded
    assert "onnxruntime" in loaded
    heavy = "torch torchvision lightning hydra omegaconf albumentations wandb pandas matplotlib scipy sklearn timm onnx"
    assert not set(loaded) & set(heavy.split())


def test_what_kubernetes_tells_of_a_service_of_that_name_is_no_setting(environment: pytest.MonkeyPatch) -> None:
    for name in ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_80_TCP", "PORT_80_TCP_ADDR"):
        environment.setenv(f"FAKEDET_{name}", "tcp://10.0.0.1:80")
    assert read_settings() == Settings()
    environment.setenv("FAKEDET_PORTS", "80")
    with pytest.raises(UserError, match="FAKEDET_PORTS"):
        read_settings()


def test_no_request_may_be_larger_than_what_can_be_taken(environment: pytest.MonkeyPatch) -> None:
    for name, value in {"THREADS": "2", "QUEUE": "1", "MAX_BUFFERED_BYTES": "4096"}.items():
        environment.setenv(f"FAKEDET_{name}", value)
    settings = read_settings()
    assert (settings.most_pictures, settings.most_bytes) == (3, 4096)
    environment.setenv("FAKEDET_BATCH", "2")
    environment.setenv("FAKEDET_MAX_UPLOAD_BYTES", "2048")
    settings = read_settings()
    assert (settings.most_pictures, settings.most_bytes) == (2, 2048)


@pytest.mark.parametrize("port", ["99999", "-1", "65536"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fakedet.serve", "--port", port], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert f"--port {port} is no port from 0 to 65535" in done.stderr


def test_without_its_packages_the_service_names_them(tmp_path: Path) -> None:
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError('No module', name='uvicorn')")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(
        [sys.executable, "-m", "fakedet.serve"], capture_output=True, text=True, timeout=60, env=environment
    )
    assert done.returncode == 1
    assert done.stderr == "error: the service needs uvicorn: pip install 'fake-image-detection[serve]'\n"
