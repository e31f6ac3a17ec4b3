"""The house's rules that a reader cannot see in one file: who imports whom, and how long a file is."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
FILES = sorted(SOURCE.rglob("*.py"))

# Room -> the rooms that it may import; each may also import itself, `errors`, and these two.
_LOW = {"detector"}
_MIDDLE = _LOW | {"metrics", "figures", "tracking"}
_ROOMS = {
    "detector": set[str](),
    "metrics": _LOW,
    "figures": _LOW,
    "tracking": _LOW,
    "data": _MIDDLE,
    "augment": _MIDDLE,
    "models": _MIDDLE,
    "explain": _MIDDLE | {"data", "augment", "models"},
    "evaluation": _MIDDLE | {"data", "augment", "models", "explain"},
    "training": _MIDDLE | {"data", "augment", "models", "explain", "evaluation", "export"},
    "export": _MIDDLE | {"data", "augment", "models", "explain"},
    "serve": _LOW,
}
# Library -> the only room that imports it.
_HOMES = {"albumentations": "augment", "wandb": "tracking", "matplotlib": "figures"}
_CONFIGS = {"config", "instantiation"}
# What is loaded before a config is composed loads none of the heavy libraries.
_LIGHT = {"__init__.py", "config.py", "entry.py", "errors.py", "instantiation.py"}
_HEAVY = {"torch", "torchvision", "torchmetrics", "lightning", "timm", "captum", "pandas", "wandb", "albumentations"}


def _imports(node: ast.AST, *, lazy: bool = True) -> Iterator[str]:
    """Dotted names of what a module imports; without the `lazy` ones inside functions and for types alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif lazy or not isinstance(child, ast.FunctionDef | ast.If):
            yield from _imports(child, lazy=lazy)


def _room(file: Path) -> str:
    parts = file.relative_to(SOURCE).parts
    return parts[1] if len(parts) > 2 else ""


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_imports_point_down(file: Path) -> None:
    room = _room(file)
    for name in _imports(ast.parse(file.read_text())):
        package, _, rest = name.partition(".")
        if package in _HOMES:
            assert room == _HOMES[package], f"{package} is imported in {_HOMES[package]} alone"
        if package == "fakedet" and room:
            other = rest.split(".")[0]
            allowed = _ROOMS[room] | {room, "errors"} | (_CONFIGS if room not in ("detector", "serve") else set())
            assert other in allowed, f"{room} imports {name}"
        if room in ("detector", "serve"):
            assert package not in _HEAVY | {"hydra", "omegaconf"}, f"{room} imports {name}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_composing_a_config_loads_nothing_heavy(file: Path) -> None:
    relative = file.relative_to(SOURCE)
    if len(relative.parts) == 1 or (relative.parent == Path("fakedet") and file.name in _LIGHT):
        found = {name.split(".")[0] for name in _imports(ast.parse(file.read_text()), lazy=False)}
        assert not found & _HEAVY


def test_data_gets_its_forger_by_injection() -> None:
    for file in (SOURCE / "fakedet" / "data").rglob("*.py"):
        assert not [name for name in _imports(ast.parse(file.read_text())) if name.startswith("fakedet.augment")]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_files_are_short_and_say_what_they_are_for(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) <= 300
    module = ast.parse(text)
    assert ast.get_docstring(module)
    public = [node for node in _definitions(module) if not node.name.startswith("_")]
    assert [node.name for node in public if not ast.get_docstring(node)] == []


def _definitions(node: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """Functions, classes and methods, but not what is inside a function or a private class."""
    for child in node.body:
        if isinstance(child, ast.FunctionDef):
            yield child
        elif isinstance(child, ast.ClassDef):
            yield child
            if not child.name.startswith("_"):
                yield from _definitions(child)


def test_rooms_are_all_known() -> None:
    rooms = {folder.name for folder in (SOURCE / "fakedet").iterdir() if (folder / "__init__.py").is_file()}
    assert rooms <= set(_ROOMS)
    assert "utils" not in {part for file in FILES for part in file.with_suffix("").parts}
