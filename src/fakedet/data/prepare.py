"""The story of a preparation: a download in; crops, a manifest and a coverage report out."""

import contextlib
import csv
import errno
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from fakedet.config import FaceConfig, PrepareConfig, check_keys, face_spec
from fakedet.data import coverage, manifest
from fakedet.data.benchmark import Benchmark, report_missing
from fakedet.data.extract import FORMATS, NO_FACE, NO_MASK, OTHER_FACE, WHOLE, Extraction, Job, Record
from fakedet.data.journal import Journal
from fakedet.data.manifest import for_a_table
from fakedet.data.prepared import MANIFEST, MISSED, QUARANTINE, RECORD, Prepared
from fakedet.data.workforce import CRASH, work_off
from fakedet.detector.image import UNREAD
from fakedet.detector.spec import PreprocessSpec
from fakedet.detector.terminal import shown
from fakedet.detector.video import Sampling
from fakedet.errors import UserError, did_you_mean
from fakedet.instantiation import instantiate

log = logging.getLogger(__name__)


def prepare(config: PrepareConfig) -> None:
    """Cut the faces out of a download's videos or pictures, and write the manifest of the crops.

    What is done is kept: the same command goes on where a killed one was, and adds what has been
    downloaded since.

    Raises:
        UserError: for anything that the caller can mend; what was written before stays.
    """
    check_keys(config)
    data = _data(config)
    assert data.raw is not None
    settings, extraction = _settings(config, data)
    workers = _workers(config.workers)
    scan = data.scan_all(data.raw)
    rows = _with_sources(scan.rows, extraction)
    if (rows["medium"] == "video").any() and config.face.choice != "largest":
        raise UserError(
            f"face.choice={config.face.choice} is for pictures: of a video it is the face that is "
            "largest over its frames."
        )
    report_missing(data.expectations(rows, data.raw))
    jobs = [_job(data.raw, row) for row in rows.to_dict("records")]
    journal = Journal(data.root, settings)
    try:
        _prepare(journal, jobs, extraction, workers, settings)
        _conclude(data, rows, scan.strange, journal, settings)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(
                f"The disk of data.root={data.root} is full; make room and run the same command again: "
                "it goes on where it stopped."
            ) from error
        raise UserError(f"{error.filename or data.root} cannot be written ({error.strerror}).") from error
    finally:
        with contextlib.suppress(OSError):  # what could not be written has been said
            journal.close()


def _data(config: PrepareConfig) -> Benchmark:
    if config.data is None:
        raise UserError("data must be given: data=celebdf, for example; --help lists the data sets.")
    data = instantiate(config.data, spec=PreprocessSpec())
    if not isinstance(data, Benchmark):
        raise UserError("This data set has no download to prepare; train on it as it is.")
    if data.limit is not None:
        raise UserError("data.limit is for training and evaluation; prepare.py makes crops of all of it.")
    if data.raw is None:
        raise UserError(f"data.raw must be given: the folder with the download of {data.source.title}.")
    raw, root = data.raw.resolve(), data.root.resolve()
    if raw == root or root.is_relative_to(raw):
        raise UserError(f"data.root={data.root} lies in the download; choose a folder outside of data.raw={data.raw}.")
    return data


def _settings(config: PrepareConfig, data: Benchmark) -> tuple[Prepared, Extraction]:
    if config.picture_format not in FORMATS:
        hint = did_you_mean(config.picture_format, FORMATS)
        raise UserError(f"picture_format={config.picture_format}{hint} is not one of {', '.join(FORMATS)}.")
    if config.whole not in WHOLE:
        raise UserError(f"whole={config.whole}{did_you_mean(config.whole, WHOLE)} is not one of {', '.join(WHOLE)}.")
    faces = data.faces if config.faces is None else config.faces
    if config.whole != "never" and not faces:
        raise UserError(
            f"whole={config.whole} is for pictures whose faces are cut out, and faces=false: give one of them."
        )
    if not faces and config.face != FaceConfig():
        raise UserError(
            f"face=… is for faces that are cut out, and data={data.dataset} keeps pictures whole: give faces=true."
        )
    finder_file = None if config.finder_file is None else Path(config.finder_file)
    face = face_spec(config.face, finder_file) if faces else None
    sampling = Sampling.parse(config.frames)
    assert data.raw is not None
    extraction = Extraction(data.raw, data.root, sampling, face, finder_file, config.picture_format, config.whole)
    return Prepared(data.dataset, str(config.frames), face, config.picture_format, config.whole), extraction


def _workers(wanted: int | None) -> int:
    if wanted is not None and wanted < 1:
        raise UserError(f"workers={wanted} is not at least 1.")
    return wanted or os.cpu_count() or 1


def _with_sources(rows: pd.DataFrame, extraction: Extraction) -> pd.DataFrame:
    """The rows, with a `source_clip` where two crops may come of one picture, so that no protocol parts them.

    Raises:
        UserError: where nothing can be kept whole.
    """
    if extraction.whole == "never":
        return rows
    setting, paths = f"whole={extraction.whole}", rows["path"]
    if (rows["medium"] == "video").any():
        first = paths[rows["medium"] == "video"].iloc[0]
        raise UserError(
            f"{setting} is for pictures, and {first} is a video: leave it out, or give a folder of pictures."
        )
    taken = paths[paths.isin(paths + f".{extraction.picture_format}")]
    if len(taken):
        raise UserError(f"{setting}: {taken.iloc[0]} is called like the crop of another picture: rename it.")
    known = rows.reindex(columns=["source_clip"]).astype("string")["source_clip"]
    return rows.assign(source_clip=known.fillna(rows["dataset"] + "/" + paths))


def _job(raw: Path, row: dict[Any, Any]) -> Job:
    mask = row.get("mask")
    size, mask = (raw / row["path"]).stat().st_size, None if pd.isna(mask) else str(mask)
    mask_size = (raw / mask).stat().st_size if mask is not None and (raw / mask).is_file() else None
    return Job(row["path"], row["medium"], mask, size, bool(row.get("cropped", False)), mask_size)


def _prepare(journal: Journal, jobs: list[Job], extraction: Extraction, workers: int, settings: Prepared) -> None:
    gone = sorted(journal.records.keys() - {job.path for job in jobs})
    if gone:
        log.warning(
            "%d files that were done before are not in the download any more, or not asked for: the manifest will lack "
            "them, until they are (the first is %s)",
            len(gone),
            shown(gone[0]),
        )
    left = [job for job in jobs if not _is_done(job, journal.records.get(job.path))]
    if len(left) < len(jobs):
        log.info("%d of %d files are done already.", len(jobs) - len(left), len(jobs))
    for record in work_off(left, extraction, workers):
        journal.add(record)
    journal.finish(settings)


def _is_done(job: Job, record: Record | None) -> bool:
    """Whether a file need not be done again: it has not changed, nor its mask.

    A crash, and a file that could not be read, may have been the machine's.
    """
    if record is None or record["size"] != job.size:
        return False
    reasons = [record["error"] or "", *(reason for _, reason in record["lost"] if reason.startswith(NO_MASK))]
    if any(reason == CRASH or UNREAD in reason for reason in reasons):
        return False
    # Older journals do not say these.
    return bool(record.get("mask", job.mask) == job.mask and record.get("mask_size", job.mask_size) == job.mask_size)


def _conclude(
    data: Benchmark, rows: pd.DataFrame, strange: dict[str, str], journal: Journal, settings: Prepared
) -> None:
    records = [journal.records[path] for path in rows["path"]]
    crops = [_row(row, crop) for row, record in zip(rows.to_dict("records"), records, strict=True)
             for crop in record["crops"]]  # fmt: skip
    with (data.root / QUARANTINE).open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "frame", "reason"])
        writer.writerows(_quarantined(records, strange))
    covered = coverage.count(rows, records)
    report = coverage.write(data.root, data.source.title, covered, settings)
    if not crops:
        first = next(_quarantined(records, strange))
        raise UserError(f"No crop came out of {data.raw}: of {first[0]}, for one, {first[2]}; see {report}.")
    manifest.write_table(manifest.complete(pd.DataFrame(crops), manifest.PREPARED), data.root / MANIFEST)
    missed = pd.DataFrame(list(_missed(rows, records)), columns=list(manifest.COLUMNS))
    manifest.write_table(manifest.complete(missed, manifest.PREPARED), data.root / MISSED)
    (data.root / RECORD).write_text(settings.dump())
    console = Console()
    console.print(coverage.table(covered))
    for warning in coverage.warnings(covered):
        console.print(f"warning: {warning}", soft_wrap=True, highlight=False)
    for name, path in {
        "Manifest": data.root / MANIFEST,
        "Coverage": report,
        "Quarantine": data.root / QUARANTINE,
    }.items():
        console.print(f"{name}: {path}", soft_wrap=True, highlight=False)
    console.print(
        f"\nNext:\n  python src/audit.py data={data.dataset} data.root={data.root}\n"
        f"  python src/train.py data={data.dataset} data.root={data.root}",
        soft_wrap=True, highlight=False,
    )  # fmt: skip


def _row(row: dict[Any, Any], crop: dict[str, Any]) -> dict[str, Any]:
    """A crop's row: what its file's name says, and what was found in it."""
    known = {name: row.get(name) for name in manifest.COLUMNS}
    return {**known, "mask": None, **crop}


def _without(record: dict[str, Any]) -> Iterator[tuple[int | None, str]]:
    """Frames of a file that gave nothing, or no mask, with the reason; a picture's frame is None."""
    kept = {crop["frame"] for crop in record["crops"]}
    for frame, reason in record["lost"]:
        if frame not in kept or reason.startswith(NO_MASK):
            yield frame, reason


def _missed(rows: pd.DataFrame, records: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Rows of what was looked at and shows no face, or none of the face that the video is about."""
    for row, record in zip(rows.to_dict("records"), records, strict=True):
        for frame, reason in _without(record):
            if reason in (NO_FACE, OTHER_FACE):
                path = row["path"] if frame is None else f"{row['path']}/{frame:06d}"
                yield _row(row, {"path": path, "frame": frame})


def _quarantined(records: list[dict[str, Any]], strange: dict[str, str]) -> Iterator[tuple[str, int | str, str]]:
    for record in records:
        if record["error"] is not None:
            yield for_a_table(record["path"]), "", record["error"]
        for frame, reason in _without(record):
            yield for_a_table(record["path"]), "" if frame is None else frame, reason
    for path, reason in sorted(strange.items()):
        yield for_a_table(path), "", reason
