"""All benches one after the other, and a page of what they found: outputs/bench/index.html.

    python scripts/bench_all.py [videos=/folder] [pictures=/folder,/folder] [faces=/folder no_faces=/folder] …

Settings, all of them optional:
    videos=     folder with videos, real ones, for bench-prepare
    pictures=   folders of real and fake pictures with commas between them, for bench-peers
    group_by=   column of their tables that says what belongs together
    split=      of them: all, train, val or test (default all)
    limit=      about so many pictures of each folder
    model=      shipped file for bench-peers; default: the one that comes along
    faces=      folder of pictures with a face each, for bench-faces
    no_faces=   folder of pictures without one, for bench-faces
    only=       names of benches with commas between them: run these alone
    quick=true  as few repetitions as there can be: whether all runs, no figures to cite
    out=        folder for the page (default outputs/bench)

A bench whose data is not given is left out, and the page says how to give it; what it left earlier stays on the page
with its date. One that fails does not stop the others, and the exit status is then 1. Nothing else should run on the
machine.
"""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benching import OUT, ROOT, leave, machine, versions
from benching_page import Failure, draw, load
from rich.console import Console
from rich.table import Table

from fakedet.errors import UserError, did_you_mean

KEYS = (
    "videos", "pictures", "group_by", "split", "limit", "model", "faces", "no_faces", "only", "quick", "out",
)  # fmt: skip
NO_REASON = "it printed nothing"


@dataclass(frozen=True)
class Entry:
    """A bench.

    Attributes:
        name: `bench_<name>.py` is its script.
        needs: settings that are its arguments, in their order, without which it is left out; commas part words.
        options: settings that are options of it.
        quick: arguments for as few repetitions as there can be.
    """

    name: str
    needs: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    quick: str = ""

    def arguments(self, settings: Mapping[str, str]) -> list[str]:
        """Its command line, without `--out`."""
        words = [word for key in self.needs for word in settings[key].split(",")]
        for key in self.options:
            words += [f"--{key.replace('_', '-')}", settings[key]] if key in settings else []
        return [*words, *(shlex.split(self.quick) if settings.get("quick") == "true" else [])]

    def left_out(self, settings: Mapping[str, str]) -> str | None:
        """The sentence that says how it is run, or None where it can be."""
        if not all(key in settings for key in self.needs):
            wanted = " ".join(f"{key}=/…" for key in self.needs)
            return f'Its data is not given: make bench args="{wanted}".'
        if "only" in settings and self.name not in settings["only"].split(","):
            return f'It was not asked for: make bench args="only={self.name}".'
        return None


BENCHES = (
    Entry("infer", quick="--rounds 1 --starts 1"),
    Entry("serve", quick="--rounds 1 --seconds 0.2 --clients 2"),
    Entry("peers", ("pictures",), ("group_by", "split", "limit", "model"), "--limit 16 --resamples 100"),
    Entry("train", quick="--pairs 1 --steps 2 data.batch_size=4"),
    Entry("evaluate", quick="--pictures 8 --turns 1 --images 2000 --groups 100 --resamples 10"),
    Entry("prepare", ("videos",), quick="--repeat 1 --frames 2"),
    Entry("faces", ("faces", "no_faces"), quick="--limit 2"),
)


def read(words: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Settings of a command line.

    Raises:
        UserError: for one that there is not, and a value that means nothing.
    """
    settings: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in KEYS:
            raise UserError(f"{word}{did_you_mean(key, KEYS)} is not a setting; there are {', '.join(KEYS)}.")
        if not value:
            raise UserError(f"{key}= has no value.")
        settings[key] = value
    for name in settings.get("only", "").split(",") if "only" in settings else ():
        if name not in names:
            raise UserError(f"only={name}{did_you_mean(name, names)} is not a bench; there are {', '.join(names)}.")
    if settings.get("quick", "true") not in ("true", "false"):
        raise UserError(f"quick={settings['quick']} is neither true nor false.")
    return settings


def run(script: Path, arguments: Sequence[str], out: Path) -> Failure | None:
    """Run a bench in a process of its own, whose output is printed and kept; returns how it failed, if it did."""
    name = script.stem.removeprefix("bench_")
    command = shlex.join(["python", f"scripts/{script.name}", *arguments])
    print(f"\n{command}", flush=True)
    (out / f"{name}.json").unlink(missing_ok=True)  # so that no page shows old figures for a bench that failed
    last = NO_REASON
    with (
        (out / f"{name}.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, str(script), *arguments, "--out", str(out)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "120"},
        ) as process,
    ):  # fmt: skip
        for line in process.stdout or ():
            print(line, end="", flush=True)
            log.write(line)
            last = line.strip() or last
    if process.returncode == 0 and (out / f"{name}.json").is_file():
        return None
    return Failure(command, last if process.returncode else "it left no findings", f"{name}.log")


def bench_all(settings: Mapping[str, str], benches: Sequence[Entry], scripts: Path) -> int:
    """Run what can be run, draw the page after each, and say how it went; returns the exit status.

    Args:
        settings: of `read`.
        benches: in the order of the page.
        scripts: folder with their scripts.
    """
    out = Path(settings.get("out", OUT))
    out.mkdir(parents=True, exist_ok=True)
    ways = {entry: entry.left_out(settings) for entry in benches}
    found: dict[str, Any] = {entry.name: load(out, entry.name) or way or "Not yet." for entry, way in ways.items()}
    wanted = [entry for entry, way in ways.items() if way is None]
    states = {entry.name: "left out" for entry in benches}
    for number, entry in enumerate(wanted, start=1):
        start = time.perf_counter()
        print(f"\n[{number}/{len(wanted)}] bench-{entry.name}", end="")
        failure = run(scripts / f"bench_{entry.name}.py", entry.arguments(settings), out)
        found[entry.name] = failure or load(out, entry.name)
        states[entry.name] = f"{'failed' if failure else 'measured'} in {time.perf_counter() - start:.0f} s"
        (out / "index.html").write_text(draw(found, machine(), versions()))
    (out / "index.html").write_text(draw(found, machine(), versions()))
    table = Table("bench", "", "how to run it", title="Benches", title_justify="left")
    for entry, way in ways.items():
        table.add_row(entry.name, states[entry.name], way or "")
    console = Console(markup=False, highlight=False)
    console.print(table)
    console.print(f"{out / 'index.html'} has it all.", soft_wrap=True)
    return int(any(isinstance(one, Failure) for one in found.values()))


def main(words: Sequence[str]) -> int:
    """Run the benches; returns the exit status."""
    if {"-h", "--help"} & set(words):
        print(__doc__)
        return 0
    try:
        return bench_all(read(words, [entry.name for entry in BENCHES]), BENCHES, ROOT / "scripts")
    except UserError as error:
        return leave(error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
