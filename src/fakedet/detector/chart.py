"""A face's probability over the time of a video, drawn with characters."""

import math
from collections.abc import Sequence
from itertools import pairwise

_ROWS = 4
_BLOCKS = " ▁▂▃▄▅▆▇█"
_PLAIN = "  ..::###"  # where a terminal has no blocks
_MARGIN = 8  # columns for the scale


def draw(
    seconds: Sequence[float], probabilities: Sequence[float], end: float, columns: int, encoding: str
) -> list[str]:
    """A bar a moment, of the highest probability in it; blank where nothing was judged.

    Args:
        seconds: when each was judged, rising.
        probabilities: of a fake, 0 to 1, of the same length.
        end: of the time axis, in seconds.
        columns: that the chart may take.
        encoding: of the terminal.

    Returns:
        Its lines: four of bars, an axis, and the times below it.
    """
    across = max(20, columns - _MARGIN)
    bars: list[float | None] = [None] * across
    for moment, probability in zip(seconds, probabilities, strict=True):
        place = min(across - 1, int(across * moment / end)) if end > 0 else 0
        bars[place] = max(bars[place] or 0.0, probability)
    # What is judged every few seconds is drawn as wide as that, and not as thin lines far apart.
    step = _step(seconds, end, across)
    wide = [next((bars[place - back] for back in range(min(step, place + 1)) if bars[place - back] is not None), None)
            for place in range(across)]  # fmt: skip
    blocks, rule, corner = (_BLOCKS, "─", "└") if _can_show(encoding) else (_PLAIN, "-", "+")
    side = "│" if corner == "└" else "|"
    lines = []
    for row in reversed(range(_ROWS)):
        scale = {_ROWS - 1: "100 %", _ROWS // 2 - 1: " 50 %"}.get(row, "")
        cells = "".join(" " if value is None else blocks[_level(value, row)] for value in wide)
        lines.append(f"{scale:>5} {side}{cells.rstrip()}")
    lines.append(f"{'0 %':>5} {corner}{rule * across}")
    last = clock(end)
    lines.append(f"{'':7}{clock(0)}{last:>{across - len(clock(0))}}")
    return lines


def _step(seconds: Sequence[float], end: float, across: int) -> int:
    gaps = sorted(later - earlier for earlier, later in pairwise(seconds))
    if not gaps or end <= 0:
        return 1
    return max(1, math.ceil(across * gaps[len(gaps) // 2] / end))


def _level(value: float, row: int) -> int:
    """How full a cell is, in eighths; what is judged at all shows in the lowest row."""
    filled = round(8 * (_ROWS * value - row))
    return min(8, max(1 if row == 0 else 0, filled))


def _can_show(encoding: str) -> bool:
    try:
        (_BLOCKS + "─└│").encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def clock(seconds: float) -> str:
    """`0:07`, `12:34` or `1:02:03`."""
    whole = int(seconds)
    minutes = f"{whole // 60 % 60:02}" if whole >= 3600 else f"{whole // 60}"
    return f"{f'{whole // 3600}:' if whole >= 3600 else ''}{minutes}:{whole % 60:02}"
