"""What an audit found, as lines of one table and one sentence."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from fakedet.data import coverage
from fakedet.data.audit.fingerprints import Fingerprints
from fakedet.data.audit.leaks import FILE, ONE_SPLIT, PICTURE, Leak, Leaks
from fakedet.data.audit.properties import percent
from fakedet.data.audit.shortcuts import TOGETHER, Shortcut
from fakedet.data.splits import CLASS_NAMES
from fakedet.figures import canvas

FINDING, FINE, TOO_FEW, UNKNOWN = "finding", "fine", "too few to tell", "not known"
_NAMED = 3  # examples in a sentence
_SAID = 4  # findings in the verdict


@dataclass(frozen=True)
class Line:
    """One thing that was looked at.

    Attributes:
        part: `leaks`, `files`, `shortcuts` or `coverage`.
        what: was looked at.
        found: a count, or an AUC with its interval.
        verdict: `FINDING`, `FINE`, `TOO_FEW` or `UNKNOWN`.
        says: a finding as a clause of a sentence; else empty.
        examples: the first names of what was found.
    """

    part: str
    what: str
    found: str
    verdict: str
    says: str = ""
    examples: str = ""


def lines(
    leaks: Leaks,
    prints: Fingerprints,
    paths: Sequence[str],
    shortcuts: Sequence[Shortcut],
    covered: pd.DataFrame | None,
) -> list[Line]:
    """All that was looked at, in the order of the report."""
    return [
        *(_leak(leak) for leak in leaks.kinds),
        _edited(prints, paths),
        *(_shortcut(each) for each in shortcuts),
        *([] if covered is None else [_coverage(covered)]),
    ]


def verdict(name: str, images: int, groups: int, found: Sequence[Line]) -> str:
    """One sentence: clean as far as could be told, or what was found, by kind and worst first."""
    findings = [line for line in found if line.verdict == FINDING]
    together = next((line for line in findings if line.what == TOGETHER), None)
    if together is not None and any(line.part == "shortcuts" and line is not together for line in findings):
        findings.remove(together)  # the properties by name say more
    if findings:
        more = f"; and {len(findings) - _SAID} more" if len(findings) > _SAID else ""
        return f"{name} has faults that a score would hide: {'; '.join(line.says for line in findings[:_SAID])}{more}."
    doubts = _doubts(found)
    but = f", but {' and '.join(doubts)}" if doubts else ""
    return f"Neither a leak nor a shortcut was found in the {images:,} images ({groups:,} groups) of {name}{but}."


def _doubts(found: Sequence[Line]) -> list[str]:
    """Why nothing found does not mean that nothing is there."""
    doubts = []
    unknown = [line for line in found if line.part == "leaks" and line.verdict == UNKNOWN]
    if any(line.found == ONE_SPLIT for line in unknown):
        doubts.append(ONE_SPLIT)
    elif unknown:
        doubts.append(f"its manifest names no {', no '.join(line.what.removeprefix('same ') for line in unknown)}")
    few = sum(line.verdict == TOO_FEW for line in found)
    if few:
        doubts.append(f"of {few} propert{'ies' if few > 1 else 'y'} there are too few images to tell")
    return doubts


def _leak(leak: Leak) -> Line:
    if leak.unknown:
        return Line("leaks", _title(leak), leak.unknown, UNKNOWN)
    if not leak.names:
        return Line("leaks", _title(leak), "0", FINE)
    examples = _examples(leak.names)
    if leak.kind in (FILE, PICTURE):
        found = _count(leak.images, "image")
        how = "byte for byte" if leak.kind == FILE else "nearly the same"
        says = f"{found} of one split in another too, {how} ({examples})"
    else:
        where = f"in {_count(leak.images, 'image')}"
        found = f"{len(leak.names):,} {where}"
        says = f"{_count(len(leak.names), leak.kind)} in several splits, {where} of the later ones ({examples})"
    return Line("leaks", _title(leak), found, FINDING, says, examples)


def _count(number: int, noun: str) -> str:
    plural = {"person": "people"}.get(noun, f"{noun}s")
    return f"{number:,} {noun if number == 1 else plural}"


def _examples(names: Sequence[str]) -> str:
    return ", ".join(canvas.printable(name, 80) for name in names[:_NAMED]) + (", …" if len(names) > _NAMED else "")


def _title(leak: Leak) -> str:
    return leak.kind if leak.kind == PICTURE else f"same {leak.kind}"


def _edited(prints: Fingerprints, paths: Sequence[str]) -> Line:
    what = "files changed since"
    if not prints.checked:
        return Line("files", what, "no sha256 in the manifest", UNKNOWN)
    if not prints.edited:
        return Line("files", what, f"0 of {prints.checked:,} checked", FINE)
    found = f"{len(prints.edited):,} of {prints.checked:,} checked"
    examples = _examples([paths[row] for row in prints.edited])
    says = f"{found} files are not those that the manifest was made of ({examples})"
    return Line("files", what, found, FINDING, says, examples)


def _shortcut(each: Shortcut) -> Line:
    return Line("shortcuts", each.title, auc_cell(each), each.verdict, each.says if each.verdict == FINDING else "")


def auc_cell(each: Shortcut) -> str:
    """`AUC 0.731 [0.690, 0.770]`, as far as it is known."""
    if each.auc is None:
        return "too few groups"
    interval = "" if each.low is None or each.high is None else f" [{each.low:.3f}, {each.high:.3f}]"
    return f"AUC {each.auc:.3f}{interval}"


def _coverage(covered: pd.DataFrame) -> Line:
    shares = coverage.shares(covered)
    if len(shares) < len(CLASS_NAMES):
        return Line("coverage", "frames with a face", "one class only", UNKNOWN)
    real, fake = (percent(shares[label], 1) for label in CLASS_NAMES)
    gap = shares.max() - shares.min()
    says = f"a face was found in {real} of the real frames but in {fake} of the fake ones"
    found = f"real {real}, fake {fake}"
    if gap > coverage.MAX_GAP:
        return Line("coverage", "frames with a face", found, FINDING, says)
    return Line("coverage", "frames with a face", found, FINE)
