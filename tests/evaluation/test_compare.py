"""Runs side by side, from their folders alone."""

import json
from pathlib import Path

import pytest

from fakedet.config import CompareConfig
from fakedet.errors import UserError
from fakedet.evaluation.compare import compare


def _run(folder: Path, overrides: list[str], auc: dict[str, float | None] | None = None, failure: str = "") -> None:
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text(json.dumps(overrides))
    if failure:
        (folder / "failure.txt").write_text(f"{failure}\n")
    if auc is not None:
        splits = {
            split: {
                "metrics": {
                    "auc": {
                        "value": value,
                        "low": None if value is None else value - 0.05,
                        "high": None if value is None else value + 0.05,
                    }
                }
            }
            for split, value in auc.items()
        }
        (folder / "metrics.json").write_text(json.dumps({"splits": splits}))


def test_best_validation_first_then_what_failed_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    _run(tmp_path / "a", ["optimizer.lr=1e-4"], {"val": 0.7, "test": 0.9})
    _run(
        tmp_path / "deep" / "b", ["optimizer.lr=2e-4"], {"val": 0.8, "test": 0.6}, failure="once, before it was resumed"
    )
    _run(tmp_path / "c", ["optimizer.lr=-1"], failure="The optimizer cannot be built.")
    _run(tmp_path / "d", ["model=resnet50"])
    _run(tmp_path / "e", [], {"val": None})
    compare(CompareConfig(runs=[str(tmp_path)]))
    said = capsys.readouterr().out
    assert "5 runs, best validation AUC first" in said
    order = [said.index(f"{tmp_path}/{name} ") for name in ("deep/b", "a", "e", "c", "d")]
    assert order == sorted(order)
    assert "0.800 [0.750, 0.850]" in said
    assert "0.600 [0.550, 0.650]" in said
    assert "failed: The optimizer cannot be built." in said
    assert "once, before" not in said, "a run that ended well has not failed"
    assert "not finished" in said
    assert "optimizer.lr=2e-4" in said


def test_folders_without_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no run below"):
        compare(CompareConfig(runs=[str(tmp_path)]))
    with pytest.raises(UserError, match=r"runs=.*none is not a folder"):
        compare(CompareConfig(runs=[str(tmp_path / "none")]))
