"""The notebooks run from top to bottom on little data, show what they promise, and are kept without outputs."""

import ast
import base64
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell
from numpy.typing import NDArray
from runs import ROOT, metrics, train_here, train_overrides

from fakedet.detector.image import decode
from fakedet.detector.shipped import OWN
from fakedet.evaluation.summary import cell

FOLDER = ROOT / "notebooks"
BOOKS = {file.stem: file for file in sorted(FOLDER.glob("*.ipynb"))}
_SETTINGS = ("preprocess.size=64", "data.manifest=labels.csv", "data.group_by=original", "trainer.max_epochs=2")


def read(name: str) -> Any:
    return nbformat.read(BOOKS[name], as_version=4)


def parameters(book: Any) -> Any:
    """The cell that a user changes: the first with code."""
    tagged = [part for part in book.cells if "parameters" in part.metadata.get("tags", [])]
    assert tagged == [part for part in book.cells if part.cell_type == "code"][:1]
    return tagged[0]


def execute(name: str, project: Path, **values: object) -> tuple[str, list[NDArray[np.uint8]]]:
    """Run a notebook as if the values stood in its first cell.

    Returns:
        All that it printed and all its tables as text, and its pictures.
    """
    book = read(name)
    asked = parameters(book)
    given = {"PROJECT": project, **values}
    names = {target.id for node in ast.parse(asked.source).body if isinstance(node, ast.Assign)
             for target in ast.walk(node) if isinstance(target, ast.Name)}  # fmt: skip
    assert set(given) <= names
    lines = [
        "from pathlib import Path, PosixPath, WindowsPath",
        *(f"{key} = {value!r}" for key, value in given.items()),
    ]
    book.cells.insert(book.cells.index(asked) + 1, new_code_cell("\n".join(lines)))
    NotebookClient(book, timeout=None, resources={"metadata": {"path": str(project)}}).execute()
    outputs = [output for part in book.cells if part.cell_type == "code" for output in part.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    shown = [output.get("data", {}) for output in outputs]
    text = "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
    text += "\n".join(data.get("text/html", data.get("text/plain", "")) for data in shown)
    files = [base64.b64decode(data["image/png"]) for data in shown if "image/png" in data]
    return text, [decode(file) for file in files]


def auc_of(run: Path) -> str:
    """The test AUC with its interval, as tables show it."""
    return cell(metrics(run)["splits"]["test"]["metrics"]["auc"])


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No network, and one thread for each process."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def project_below(folder: Path) -> Path:
    """A project with nothing in it but code and settings."""
    for name in ("src", "conf"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return project_below(tmp_path)


@pytest.fixture(scope="module")
def images(make_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures whose fakes have a red square; masks say where."""
    root = make_folder(tmp_path_factory.mktemp("data") / "images", groups=24, layout="csv")
    rows = pd.read_csv(root / "labels.csv")
    (root / "masks").mkdir()
    fakes = rows.index[rows["label"] == 1]
    for row in fakes:
        red, _, blue = np.moveaxis(decode(root / str(rows.loc[row, "file"])).astype(int), -1, 0)
        mask = f"masks/{Path(str(rows.loc[row, 'file'])).stem}.png"
        assert cv2.imwrite(str(root / mask), np.where(red - blue > 100, 255, 0).astype(np.uint8))
        rows.loc[row, "mask"] = mask
    rows.to_csv(root / "labels.csv", index=False)
    return root


@pytest.fixture(scope="module")
def trained(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two trainings on the same images; the second is newer, and has learnt to see the squares."""
    project = project_below(tmp_path_factory.mktemp("project"))
    train_here(project / "outputs" / "train" / "first", images, *_SETTINGS)
    longer = ("trainer.max_epochs=8", "optimizer.lr=1e-2")
    train_here(project / "outputs" / "train" / "second", images, *_SETTINGS, *longer)
    return project


def test_a_data_set_is_shown_with_what_its_splits_share(project: Path) -> None:
    text, pictures = execute("01_data", project, FRAMES=1, SAMPLE=60)
    # Two lines of pictures, coverage, the graph of what is shared, and the three foremost properties.
    assert len(pictures) == 7
    assert pictures[0].shape == (112, 8 * 112, 3)
    assert "celebdf official" in text
    assert "celebdf identity_disjoint" in text
    assert text.count("<td>celebdf:id0, celebdf:id1") == 1  # people cross the official splits alone
    assert "celebdf has faults that a score would hide: 6 people in several splits" in text
    rows = pd.read_parquet(project / "outputs" / "notebooks" / "celebdf-1" / "manifest.parquet")
    assert f"Celeb-synthesis: {(rows['label'] == 1).sum()} images" in text


def test_results_are_those_of_the_run_that_is_trained_where_there_is_none(project: Path, images: Path) -> None:
    text, pictures = execute("02_results", project, TRAIN=train_overrides(images, *_SETTINGS))
    (run,) = (project / "outputs" / "train").glob("*/*")
    assert f"{run.relative_to(project)}, test" in text
    assert text.count(auc_of(run)) >= 1
    found = metrics(run)["splits"]["test"]
    for part in found["parts"]["method"].values():
        assert cell(part["metrics"]["auc"]) in text
    # Two curves, scores, confusion, reliability, methods, mistakes.
    assert len(pictures) == 7


def test_a_picture_is_explained_and_its_map_put_to_the_test(trained: Path, detector_file: Path) -> None:
    text, pictures = execute("03_explain", trained, FILE=detector_file, MAPS=4)
    rows = pd.read_parquet(trained / "outputs" / "train" / "second" / "predictions.parquet")
    fakes = rows[(rows["split"] == "test") & (rows["label"] == 1)]
    row = fakes.nlargest(1, "score").iloc[0]
    assert f"{Path(row['path']).name}; scored; {row['verdict']}; P(fake) {row['score']:.4f}" in text
    assert f"{detector_file.name}; scored; " in text
    assert "Intersection over union" in text
    # Over the picture twice, Grad-CAM, the mask, deletion and insertion twice, overlap by method.
    assert len(pictures) == 9
    assert pictures[2].shape == (64, 2 * 64, 3)
    assert (pictures[2][:, :64] != pictures[2][:, 64:]).any()


def test_a_picture_of_ones_own_is_explained(trained: Path, images: Path) -> None:
    picture = images / "images" / "g00_0_1.jpg"
    values = {"RUN": "outputs/train/second", "PICTURE": picture, "MAPS": 4}
    text, pictures = execute("03_explain", trained, **values)
    assert f"{picture.name}; scored; " in text
    assert f"{OWN.name}; " in text  # the shipped file, where no other is named
    assert "Nobody knows where this picture was forged" in text
    # As above, without the mask.
    assert len(pictures) == 8


def test_two_runs_are_compared_on_the_same_images(trained: Path) -> None:
    text, pictures = execute("04_compare", trained)
    (folder,) = (trained / "outputs" / "evaluate" / "notebook").iterdir()
    found = pd.read_parquet(folder / "0" / "differences.parquet").set_index("metric")
    assert f"{float(found['difference']['auc']):+.3f}" in text
    for name in ("first", "second"):
        value = metrics(trained / "outputs" / "train" / name)["splits"]["test"]["metrics"]["auc"]["value"]
        assert f"{value:.3f}" in text
    # The matrix, two curves, and a panel of each detector.
    assert len(pictures) == 5


@pytest.mark.parametrize("name", BOOKS)
def test_they_are_kept_without_outputs(name: str) -> None:
    book = read(name)
    nbformat.validate(book)
    assert set(book.metadata) == {"kernelspec", "language_info"}
    assert book.metadata.kernelspec == {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert book.metadata.language_info == {"name": "python"}
    for part in book.cells:
        assert set(part.metadata) <= {"tags"}
        if part.cell_type == "code":
            assert part.execution_count is None
            assert part.outputs == []
    assert "PROJECT" in parameters(book).source
    assert "pip install jupyterlab" in book.cells[0].source


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_ruff_has_nothing_to_say(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, str(FOLDER)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout


def test_every_notebook_is_run_here() -> None:
    tree = ast.parse(Path(__file__).read_text())
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "execute"
    ]
    assert {ast.literal_eval(call.args[0]) for call in calls} == set(BOOKS)
