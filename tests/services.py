"""The service as it runs in earnest: uvicorn in a process of its own, on the loopback address."""

import base64
import contextlib
import io
import os
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image

UVICORN = ("uvicorn", "fakedet.serve.app:app")
OWN_ENTRY = ("fakedet.serve",)


class Server:
    """A running service.

    Attributes:
        process: of the server.
        port: that it listens on.
        url: its address.
        client: of HTTP, which may be used from several threads.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self._lines: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()
        self.port = self._wait_for_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.url, timeout=60)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        self._lines.extend(iter(self.process.stdout.readline, ""))

    def _wait_for_port(self) -> int:
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            found = re.search(r"running on http://127\.0\.0\.1:(\d+)", self.log())
            if found:
                return int(found[1])
            time.sleep(0.02)
        raise AssertionError(f"the service did not start:\n{self.log()}")

    def log(self) -> str:
        """Everything that it has printed."""
        return "".join(self._lines)

    def post(self, data: bytes, address: str = "/predict", field: str = "image", **fields: str) -> httpx.Response:
        """Send one picture."""
        return self.client.post(address, files={field: ("x", data)}, data=fields)

    def get(self, address: str) -> httpx.Response:
        """Ask for something."""
        return self.client.get(address)

    def metric(self, name: str) -> float:
        """A metric's value, 0 when it was never counted."""
        found = [line for line in self.get("/metrics").text.splitlines() if line.startswith(name + " ")]
        return float(found[0].split()[-1]) if found else 0.0

    def wait_for(self, name: str, value: float) -> None:
        """Until a metric has a value."""
        end = time.monotonic() + 30
        while self.metric(name) != value:
            assert time.monotonic() < end, f"{name} is {self.metric(name)} instead of {value}"
            time.sleep(0.02)

    def forget_peak(self) -> int:
        """Start measuring the memory's peak anew; returns what it holds now, in KiB."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        return self.memory("VmRSS")

    def memory(self, what: str = "VmHWM") -> int:
        """Resident memory in KiB: the peak, or what it holds now (`VmRSS`)."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{what}:\s+(\d+)", text)[1])  # type: ignore[index]


def launch(entry: tuple[str, ...], environment: dict[str, Any], folder: Path) -> "subprocess.Popen[str]":
    """Start the service in a folder, with these settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FAKEDET_")}
    given = {name: str(value) for name, value in environment.items()}
    return subprocess.Popen(
        [sys.executable, "-m", *entry, "--port", "0"],
        env={**kept, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", **given},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextlib.contextmanager
def serving(file: Path, entry: tuple[str, ...] = UVICORN, **settings: Any) -> Iterator[Server]:
    """A service around a detector's file, in its folder; every write to a file that it tries fails."""
    given = {"FAKEDET_MODEL": file, **{f"FAKEDET_{name.upper()}": value for name, value in settings.items()}}
    process = launch(entry, given, file.parent)
    try:
        server = Server(process)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, 0))
        yield server
    finally:
        process.kill()
        process.wait()


def heatmap_of(uri: str) -> NDArray[np.uint8]:
    """The pixels of a finding's heatmap."""
    head, _, text = uri.partition(",")
    assert head == "data:image/png;base64"
    image = Image.open(io.BytesIO(base64.b64decode(text)))
    assert image.mode == "L"
    return np.asarray(image)
