"""The console command `fakedet`: predict, and what the detector says of itself."""

import argparse
import contextlib
import importlib.metadata
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fakedet.detector.shipped import OWN
from fakedet.errors import UserError

if TYPE_CHECKING:
    from fakedet.detector.detector import Detector

VARIABLE = "FAKEDET_MODEL"

_EXAMPLES = """examples:
  fakedet predict photo.jpg
  fakedet predict photos/ --json photos.jsonl --heatmaps heatmaps/
  fakedet predict 'photos/**/*.png' --csv photos.csv
  fakedet predict clip.mp4 --frames 64
  fakedet predict --urls addresses.txt --json - | jq .verdict

With --json FILE or --csv FILE a run that was stopped goes on where it was when it is called again in the same
way. Files that were changed since are judged again, and addresses that could not be downloaded are asked again.
Exit status: 0; 1 for an error; 2 for a wrong argument; 3 with --strict when a file has no verdict; 130 or 143 when
it was stopped.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: behind the command's name; those of this process if None.

    Returns:
        The exit status.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name may hold what the terminal cannot show
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except UserError as error:
        from fakedet.detector.terminal import shown

        print(f"error: {shown(' '.join(str(error).split()))}", file=sys.stderr)
        return error.status
    except BrokenPipeError:  # what reads the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fakedet", description="Tell real pictures from fakes, with one detector file.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {_version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    model = argparse.ArgumentParser(add_help=False)
    model.add_argument("--model", metavar="FILE", help=f"the detector's .onnx file; default: ${VARIABLE}, or our own")
    model.add_argument("--engine", default="onnxruntime", help="what runs it: onnxruntime (default) or openvino")
    model.add_argument(
        "--finder-file", metavar="FILE", help="the face finder's network, for one that brings none (yunet)"
    )
    _add_predict(commands.add_parser(
        "predict", parents=[model], help="judge pictures and videos", allow_abbrev=False,
        description="Judge pictures and videos: a table on the terminal, records and heatmaps in files.",
        epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    ))  # fmt: skip
    about = commands.add_parser(
        "model", parents=[model], help="what the detector knows of itself", allow_abbrev=False,
        description="Print the detector's card: network, data, decision, licence and hash.",
    )  # fmt: skip
    about.set_defaults(run=_about)
    return parser


def _add_predict(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("input", nargs="*", metavar="INPUT", help="file, folder (with all below it), quoted pattern, or address")
    add("--urls", metavar="FILE", help="text file with an address or a path a line")
    add("--json", metavar="FILE", help="write a JSON object a line (JSON Lines); - is standard output")
    add("--csv", metavar="FILE", help="write a table; - is standard output")
    add("--heatmaps", metavar="DIR", help="draw where the evidence lies over each picture, below this folder")
    add("--frames", default="32", metavar="N", help="of a video: 32 (default), all or every-10")
    add("--crops", action="store_true", help="pictures are face crops already; none is searched")
    add("--threads", type=int, metavar="N", help="processor threads; default: all")
    add("--restart", action="store_true", help="throw away what an earlier run wrote to --json and --csv")
    add("--strict", action="store_true", help="exit with 3 when a file could not be judged")
    add("--allow-private", action="store_true", help="also download from this machine and its network")
    parser.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> None:
    from fakedet.detector.predict import Request, predict

    request = Request(
        inputs=tuple(options.input),
        urls=options.urls,
        json=options.json,
        csv=options.csv,
        heatmaps=options.heatmaps,
        frames=options.frames,
        crops=options.crops,
        threads=options.threads,
        restart=options.restart,
        strict=options.strict,
        allow_private=options.allow_private,
    )
    file = model_file(options.model)
    predict(lambda threads: _open(file, options, threads), request)


def _open(file: Path, options: argparse.Namespace, threads: int) -> "Detector":
    from fakedet.detector.detector import Detector

    finder_file = None if options.finder_file is None else Path(options.finder_file)
    return Detector.load(file, engine=options.engine, threads=threads, finder_file=finder_file)


def _about(options: argparse.Namespace) -> None:
    from fakedet.detector.about import describe

    print(describe(_open(model_file(options.model), options, threads=1)))


def model_file(given: str | None) -> Path:
    """The detector that is asked for, the environment's, or the one that comes along."""
    return Path(given or os.environ.get(VARIABLE) or OWN)


def _version() -> str:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version("fake-image-detection")
    return "(not installed)"
