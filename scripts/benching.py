"""What all benches share: arguments, findings on the terminal and as JSON, and the machine that they were taken on."""

import argparse
import datetime
import importlib.metadata
import json
import math
import os
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fakedet.detector.onnx import cores
from fakedet.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
OUT = Path("outputs/bench")
PACKAGES = (
    "fake-image-detection", "torch", "lightning", "onnxruntime", "openvino", "numpy", "opencv-python-headless",
    "pillow",
)  # fmt: skip


class Bench:
    """One bench: its arguments, and what it found.

    Each finding is printed when it is there, and all are kept for `save`, from which the page of all benches is
    made. A ratio is what one run can be held against another by: it drifts less than the times behind it.

    Attributes:
        name: of the bench and its file, without a suffix.
        parser: to add arguments to; `--out` is there.
        console: where findings are printed.
    """

    def __init__(self, name: str, text: str | None) -> None:
        """Prepare the arguments.

        Args:
            name: of the bench.
            text: its docstring; the first line is the title.
        """
        lines = (text or name).strip().splitlines()
        self.name = name
        self.title = lines[0]
        self.parser = argparse.ArgumentParser(
            prog=f"bench_{name}.py", description=text, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        self.parser.add_argument(
            "--out", type=Path, default=OUT, help=f"folder for {name}.json, from which make bench draws its page"
        )
        self.console = Console(markup=False, highlight=False)
        self._findings: dict[str, list[Any]] = {"ratios": [], "tables": [], "notes": []}

    def parse(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        """Read the arguments, those of this process if None, and start the clock."""
        words = sys.argv[1:] if arguments is None else list(arguments)
        options = self.parser.parse_args(words)
        self._command = shlex.join(["python", f"scripts/bench_{self.name}.py", *words])
        self._out: Path = options.out
        self._start = time.perf_counter()
        return options

    def ratio(
        self, what: str, value: float, low: float | None = None, high: float | None = None, wanted: str = ""
    ) -> None:
        """A ratio, the range of its repetitions where there are any, and what was hoped for, such as `at most 1.25`."""
        extent = "" if low is None or high is None else f"{low:.2f} to {high:.2f}"
        behind = "; ".join(text for text in (extent, f"{wanted} wanted" if wanted else "") if text)
        self.console.print(f"{what}: {value:.2f}{f' ({behind})' if behind else ''}", soft_wrap=True)
        self._findings["ratios"].append({"what": what, "value": value, "low": low, "high": high, "wanted": wanted})

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table; each row has as many cells as the header, and the first names it."""
        drawn = Table(title=title, title_justify="left")
        for number, name in enumerate(header):
            drawn.add_column(name, justify="right" if number else "left")
        for row in rows:
            drawn.add_row(*row)
        self.console.print(drawn)
        self._findings["tables"].append({"title": title, "header": list(header), "rows": [list(row) for row in rows]})

    def note(self, sentence: str) -> None:
        """Anything else."""
        self.console.print(sentence, soft_wrap=True)
        self._findings["notes"].append(sentence)

    def save(self, **more: Any) -> Path:
        """Write the findings, and whatever else other programs may want to read; a number that is none becomes null."""
        self._out.mkdir(parents=True, exist_ok=True)
        file = self._out / f"{self.name}.json"
        found = {
            "bench": self.name,
            "title": self.title,
            "command": self._command,
            "taken": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - self._start, 1),
            "machine": machine(),
            "versions": versions(),
            **self._findings,
            **more,
        }
        file.write_text(json.dumps(plain(found), indent=1, ensure_ascii=False) + "\n")
        return file


def plain(value: Any) -> Any:
    """The same for JSON, which knows no NaN."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def machine() -> dict[str, str]:
    """Processor, cores that this process may use, memory, and system."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    release = platform.freedesktop_os_release()["PRETTY_NAME"] if Path("/etc/os-release").is_file() else ""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": str(cores()),
        "memory": f"{pages / 2**30:.0f} GiB",
        "system": f"{release or platform.system()}, {platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """Python, and the packages whose speed is measured, as far as they are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def leave(error: UserError) -> int:
    """Print the one sentence of an error; returns the exit status."""
    print(f"error: {error}", file=sys.stderr)
    return error.status
