"""The one kind of error that is the caller's to mend."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something outside the code is wrong: a file, a folder, a setting.

    Its text is one sentence that says what is wrong and what to do; the entries print it without a
    traceback and exit with its status.
    """

    status = 1


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean …?)` with the closest known name, or nothing: to be put behind a wrong name."""
    close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""
