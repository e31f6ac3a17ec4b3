"""What mkdocs calls while it builds the documentation: the page of all settings shows a YAML of one's own too."""

from pathlib import Path
from typing import Any

PAGE = "reference/configuration.md"
ROOT = Path(__file__).parents[1]


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Show the files of `conf/` that the page does not name, at its end."""
    return with_own(markdown, ROOT) if page.file.src_uri == PAGE else markdown


def with_own(markdown: str, root: Path) -> str:
    """The page with the files below `root/conf` that it does not show yet."""
    every = sorted(file.relative_to(root).as_posix() for file in (root / "conf").rglob("*.yaml"))
    own = [name for name in every if f'--8<-- "{name}"' not in markdown]
    parts = [f'### `{name}`\n\n```yaml\n--8<-- "{name}"\n```' for name in own]
    return "\n\n".join([markdown.rstrip(), *(["## Your own"] if own else []), *parts]) + "\n"
