"""What every command does around its story: errors people can read, resumed runs, sweeps that end in a table."""

import contextlib
import errno
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import yaml
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from fakedet.detector.terminal import shown
from fakedet.errors import UserError, did_you_mean

FAILURE_FILE = "failure.txt"
_HYDRAS_OWN = re.compile(r"[\s+~]*([^=]*@)?\s*hydra\b")
CONF = Path(__file__).parents[2] / "conf"

# Writing fails with these through no fault of the code.
_DISK_ERRORS = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EEXIST, errno.EISDIR}
)


@contextlib.contextmanager
def command() -> Iterator[None]:
    """Run a Hydra entry: one sentence and status 1 for what the caller can mend, a traceback for a bug.

    `HYDRA_FULL_ERROR=1`, set by the caller, gives the traceback always.
    """
    # The further processes of a distributed run inherit what is set below.
    RunOutcome.traceback = os.environ.get("HYDRA_FULL_ERROR") == "1" and "LOCAL_RANK" not in os.environ
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing its own text
    try:
        sys.argv[1:] = with_resumed_overrides(sys.argv[1:])
        check_choices(sys.argv[1:])
        yield
    except Exception as error:
        if RunOutcome.traceback or not is_mendable(error):
            raise
        leave(error)
    finally:
        RunOutcome.show_sweep()


def is_mendable(error: BaseException) -> bool:
    """Whether the caller can mend it: a wrong setting or file, or a disk that is full or not to be written to."""
    return isinstance(error, UserError | HydraException | OmegaConfBaseException) or _disk_error(error) is not None


def _disk_error(error: BaseException | None) -> OSError | None:
    while error is not None and not (isinstance(error, OSError) and error.errno in _DISK_ERRORS):
        error = error.__cause__
    return error


def leave(error: BaseException) -> NoReturn:
    """Say what went wrong and exit."""
    print(f"error: {shown(explain(error))}", file=sys.stderr)
    sys.exit(getattr(error, "status", 1))


def explain(error: BaseException) -> str:
    """One sentence for an error that `is_mendable`, with what was probably meant."""
    return " ".join(_explain(error).split())


def _explain(error: BaseException) -> str:
    disk = None if isinstance(error, UserError) else _disk_error(error)
    if disk is not None:
        reason = (disk.strerror or str(disk)).lower()
        return f"{disk.filename or 'the run folder'} cannot be written ({reason}); choose another hydra.run.dir."
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        options = list(error.options or [])  # Hydra does not say them for a member of a list
        choose = f"choose {', '.join(options)}" if options else "--help lists what does"
        return f"{group or 'config'}={name} does not exist{did_you_mean(name, options)}; {choose}."
    if isinstance(error, OverrideParseException):
        return f"{error.override} is no override (group=name or group.key=value): {error}"
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OmegaConfBaseException):
        cause = cause.__cause__
    if isinstance(cause, MissingMandatoryValue):
        return f"{cause.full_key} must be given: {cause.full_key}=…"
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and cause.parent_node is not None:
        known = [str(key) for key in cause.parent_node]
        return f"there is no setting {cause.full_key}{did_you_mean(str(cause.key), known)}."
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        return f"{cause.full_key}: {str(cause).splitlines()[0]}."
    return str(error)


def check_choices(arguments: list[str]) -> None:
    """Hold `group=null`, which Hydra answers with a traceback.

    Raises:
        UserError: with what can be chosen.
    """
    for argument in arguments:
        group, _, choice = argument.partition("=")
        options = sorted(file.stem for file in (CONF / group).glob("*.yaml")) if group else []
        if choice == "null" and options:
            raise UserError(f"{argument} chooses nothing: leave it out, or choose {', '.join(options)}.")


def with_resumed_overrides(arguments: list[str]) -> list[str]:
    """The command line of a run that goes on: what it was started with, then what was said now.

    Raises:
        UserError: when `resume=` names no folder of a run, or one that somebody has tampered with.
    """
    chosen = [argument.partition("=")[2] for argument in arguments if argument.startswith("resume=")]
    if not chosen or chosen[-1] in ("", "null"):
        return arguments
    folder = Path(chosen[-1])
    recorded = folder / ".hydra" / "overrides.yaml"
    if not recorded.is_file():
        raise UserError(f"resume={folder} is not the folder of a run: it has no {recorded.relative_to(folder)}.")
    before = yaml.safe_load(recorded.read_text()) or []
    # Hydra keeps its own settings elsewhere; put here by somebody, they could name any function to be called.
    if not isinstance(before, list) or any(not isinstance(each, str) or _HYDRAS_OWN.match(each) for each in before):
        raise UserError(f"resume={folder} is refused: {recorded.name} holds what no run writes there.")
    earlier = [override for override in before if not override.startswith("resume=")]
    rest = [argument for argument in arguments if not argument.startswith("resume=")]
    return [*earlier, *rest, f"resume={folder}", f"hydra.run.dir={folder}"]


class RunOutcome(Callback):
    """Hydra callback: a failed run says why, also in its folder, and a sweep ends with a table of its runs.

    Hydra skips `on_multirun_end` when a run failed, so `command` asks for the table when all is over.
    """

    traceback: ClassVar[bool] = False  # whether the caller wants one for every error
    _sweep: ClassVar[Path | None] = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002
        """Remember where the runs of this sweep will lie."""
        RunOutcome._sweep = Path(OmegaConf.select(config, "hydra.sweep.dir"))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:  # noqa: ARG002
        """Leave the reason of a failure beside what the run has written; end here unless it is one of a sweep."""
        if job_return.status is not JobStatus.FAILED or job_return.hydra_cfg is None:
            return
        error = job_return._return_value
        reason = explain(error)
        hydra = job_return.hydra_cfg.hydra
        folder = Path(hydra.runtime.output_dir)
        if hydra.output_subdir is not None:
            (folder / FAILURE_FILE).write_text(f"{reason}\n")
        stopped = getattr(error, "status", 1) > 128  # by a signal, which is for the whole sweep
        # Asked of the job itself, for a launcher may run it in a process that saw no sweep begin.
        if hydra.mode is RunMode.MULTIRUN and not stopped:
            print(f"run {folder.name} failed: {reason}", file=sys.stderr)
        elif is_mendable(error) and not RunOutcome.traceback:
            # Hydra would print the overrides once more before it hands the error on.
            leave(error)

    @staticmethod
    def show_sweep() -> None:
        """Print the table of the sweep that ran, and write the matrix of evaluations; nothing if none was started."""
        if RunOutcome._sweep is not None and any(RunOutcome._sweep.rglob(".hydra")):
            from fakedet.evaluation.compare import show_sweep

            try:
                show_sweep(RunOutcome._sweep)
            except Exception as error:
                if RunOutcome.traceback or not is_mendable(error):
                    raise
                leave(error)
