"""docs/datasets.md and scripts/download_dataset.sh say what conf, the readers and the commands do."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from fakedet.data import prepared
from fakedet.data.benchmark import Benchmark
from fakedet.detector.spec import PreprocessSpec
from fakedet.instantiation import instantiate

ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf"
PAGE = (ROOT / "docs" / "datasets.md").read_text()
NAMES = sorted(file.stem for file in (CONF / "data").glob("*.yaml"))
READERS: dict[str, Any] = {name: get_class(OmegaConf.load(CONF / "data" / f"{name}.yaml")._target_) for name in NAMES}
ROWS = {
    cells[5].strip("`"): cells
    for cells in ([cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if "|" in line)
    if len(cells) == 7
}
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [
    line
    for kind, block in BLOCKS
    if kind == "bash"
    for line in block.splitlines()
    if line.startswith(("python src/", "scripts/"))
]
SENTENCES = re.findall(r"^\| `([^`]+)` \| \w", PAGE.partition("## If something goes wrong")[2], re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_every_config_has_a_row(name: str) -> None:
    reader = READERS[name]
    title, _, _, terms, *_ = ROWS[name]
    if issubclass(reader, Benchmark):
        assert terms == reader.source.terms
        assert not reader.source.citation or reader.source.citation.split(",")[0].removesuffix(" et al.") in PAGE
    anchor = re.search(r"\(#([\w-]+)\)", title)
    headings = {re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in PAGE.splitlines()}
    assert anchor is None or anchor[1] in headings


def said(name: str) -> str:
    """What the script tells about a set."""
    script = [str(ROOT / "scripts" / "download_dataset.sh"), name]
    return subprocess.run(script, capture_output=True, text=True, check=True).stdout


def layout(name: str) -> str:
    """The folders that a reader's docstring draws, without the name that it gives to the root."""
    drawn = re.search(
        r"^```\n(.*?)^```$", sys.modules[READERS[name].__module__].__doc__ or "", re.MULTILINE | re.DOTALL
    )
    assert drawn is not None
    below = re.sub(r"^(raw|root)/", "", drawn[1], flags=re.MULTILINE)
    return re.sub(r"(?<=\s)(raw|root)/", lambda root: " " * len(root[0]), below)


@pytest.mark.parametrize("name", [name for name in NAMES if issubclass(READERS[name], Benchmark)])
def test_page_script_and_reader_say_the_same(name: str) -> None:
    reader, answer = READERS[name], said(name)
    assert not reader.source.page or f"Page:   {reader.source.page}\nTerms:  {reader.source.terms}" in answer
    assert f"Wanted in FOLDER:\n\n{layout(name)}\n" in answer
    assert ("", layout(name)) in BLOCKS
    in_place = name == "folder" or not (reader.faces or reader.medium == "video")
    assert ("src/train.py" if in_place else "src/prepare.py") in answer.splitlines()[-1]


@pytest.mark.parametrize("name", NAMES)
def test_the_script_knows_every_config(name: str) -> None:
    assert said(name).splitlines()[-1].startswith("Next: python src/")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_are_understood(command: str) -> None:
    program, *words = shlex.split(command, comments=True)
    if program.startswith("scripts/"):
        assert (ROOT / program).is_file()
        assert words[0] in NAMES
        return
    entry, *overrides = words
    assert (ROOT / entry).is_file()
    if Path(entry).stem != "prepare":
        overrides += ["run.dir=run"]
    if Path(entry).stem == "train":
        overrides += ["run.name=test", "run.group=null", "run.tags=[]"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        assert hydra_compose(Path(entry).stem, overrides).data._target_.startswith("fakedet.data.")


def test_it_shows_how_to_go_on_for_every_set() -> None:
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    for name in set(NAMES) - {"sample", "celebdf_v1", "mix"}:
        section = next(
            part for part in sections if f"scripts/download_dataset.sh {name} " in part and "###" not in part
        )
        assert f"python src/audit.py data={name} " in section
        assert f"python src/train.py data={name} " in section


def test_what_prepare_leaves_is_called_so() -> None:
    for name in (prepared.MANIFEST, prepared.RECORD, prepared.JOURNAL, prepared.QUARANTINE, prepared.COVERAGE):
        assert f"`{name}`" in PAGE


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_sentences_are_said_somewhere(sentence: str) -> None:
    files = [*(ROOT / "src" / "fakedet" / "data").rglob("*.py"), ROOT / "scripts" / "download_dataset.sh"]
    texts = [re.sub(r'"\s+f?"', "", file.read_text()) for file in files]
    pattern = ".{1,200}?".join(re.escape(part.strip()) for part in re.split("…|%", sentence) if part.strip(" ,."))
    assert [text for text in texts if re.search(pattern, text)]


def test_tables_of_pictures_become_folders_that_can_be_read(compose: Callable[..., DictConfig], tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = [
        {
            "image_name": f"{number % 3:08d}.png",
            "image_data": cv2.imencode(".png", rng.integers(0, 255, (64, 64, 3), np.uint8))[1].tobytes(),
            "model_name": None if label == 0 and number == 4 else ("FFHQ", "stabilityai/sd-2")[label],
            "real_source": "FFHQ",
            "label": label,
            "architecture": "LatDiff",
        }
        for label in (0, 1)
        for number in range(5)
    ]
    tables, root = tmp_path / "tables", tmp_path / "set"
    (tables / "data").mkdir(parents=True)
    pd.DataFrame(rows).to_parquet(tables / "data" / "HFCF_small_0.parquet")
    program = re.search(r"^python - /data/cf-tables /data/cf <<'END'\n(.*?)^END$", PAGE, re.MULTILINE | re.DOTALL)
    assert program is not None
    subprocess.run([sys.executable, "-", tables, root], input=program[1], text=True, check=True)
    data = instantiate(compose("train", "data=community_forensics", f"data.root={root}").data, spec=PreprocessSpec())
    found = data.scan_all(root).rows
    assert dict(found.value_counts(["label", "method"])) == {(0, "real"): 5, (1, "stabilityai__sd-2"): 5}
    first = (root / found["path"][0]).read_bytes()
    assert first in [row["image_data"] for row in rows]
