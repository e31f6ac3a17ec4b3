"""What every command does around its story: errors people can read, resumed runs, sweeps that end in a table."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import yaml
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException, MissingConfigException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from fakedet.errors import UserError, did_you_mean

FAILURE_FILE = "failure.txt"


@contextlib.contextmanager
def command() -> Iterator[None]:
    """Run a Hydra entry: one sentence and status 1 for what the caller can mend, a traceback for a bug.

    `HYDRA_FULL_ERROR=1`, set by the caller, gives the traceback always.
    """
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing its own text
    status = 0
    try:
        sys.argv[1:] = with_resumed_overrides(sys.argv[1:])
        yield
    except (UserError, HydraException, OmegaConfBaseException) as error:
        if wants_traceback:
            raise
        print(f"error: {explain(error)}", file=sys.stderr)
        status = 1
    finally:
        SweepTable.show()
    if status:
        sys.exit(status)


def explain(error: BaseException) -> str:
    """One sentence for an error of ours, of Hydra or of OmegaConf, with what was probably meant."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        options = list(error.options or [])
        return f"{group or 'config'}={name} does not exist{did_you_mean(name, options)}; choose {', '.join(options)}."
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OmegaConfBaseException):
        cause = cause.__cause__
    if isinstance(cause, ConfigKeyError | ConfigAttributeError) and cause.parent_node is not None:
        known = [str(key) for key in cause.parent_node]
        return f"there is no setting {cause.full_key}{did_you_mean(str(cause.key), known)}."
    if isinstance(cause, OmegaConfBaseException) and cause.full_key:
        return f"{cause.full_key}: {str(cause).splitlines()[0]}."
    return " ".join(str(error).split())


def with_resumed_overrides(arguments: list[str]) -> list[str]:
    """The command line of a run that goes on: what it was started with, then what was said now.

    Raises:
        UserError: when `resume=` names no folder of a run.
    """
    chosen = [argument.partition("=")[2] for argument in arguments if argument.startswith("resume=")]
    if not chosen or not chosen[-1]:
        return arguments
    folder = Path(chosen[-1])
    recorded = folder / ".hydra" / "overrides.yaml"
    if not recorded.is_file():
        raise UserError(f"resume={folder} is not the folder of a run: it has no {recorded.relative_to(folder)}.")
    before = yaml.safe_load(recorded.read_text()) or []
    earlier = [override for override in before if not override.startswith("resume=")]
    rest = [argument for argument in arguments if not argument.startswith("resume=")]
    return [*earlier, *rest, f"resume={folder}", f"hydra.run.dir={folder}"]


class SweepTable(Callback):
    """Hydra callback: a failed run says why in its folder, and a sweep ends with a table of its runs.

    Hydra skips `on_multirun_end` when a run failed, so `command` asks for the table when all is over.
    """

    _folder: ClassVar[Path | None] = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ARG002
        """Remember where the runs of this sweep will lie."""
        SweepTable._folder = Path(OmegaConf.select(config, "hydra.sweep.dir"))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:  # noqa: ARG002
        """Leave the reason of a failure beside what the run has written."""
        if job_return.status is JobStatus.FAILED and job_return.hydra_cfg is not None:
            reason = explain(job_return._return_value)
            folder = Path(job_return.hydra_cfg.hydra.runtime.output_dir)
            (folder / FAILURE_FILE).write_text(f"{reason}\n")
            if SweepTable._folder is not None:
                print(f"run {folder.name} failed: {reason}", file=sys.stderr)

    @staticmethod
    def show() -> None:
        """Print the table of the sweep that ran, best validation AUC first."""
        if SweepTable._folder is not None and SweepTable._folder.is_dir():
            from fakedet.evaluation.compare import print_runs

            print_runs([SweepTable._folder])
