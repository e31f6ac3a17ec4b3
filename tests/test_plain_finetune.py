"""The plain fine-tune that a training is held against, beside a tiny run."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from runs import ROOT, metrics, train_config, train_here

sys.path.insert(0, str(ROOT / "scripts"))
import plain_finetune


def test_it_trains_and_tests_on_the_images_of_the_run(
    make_folder: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = make_folder(tmp_path / "images", groups=40, size=40)
    run, chosen = tmp_path / "run", "model.model_name=test_resnet"
    train_here(run, images, chosen)
    OmegaConf.save(train_config(run, images, chosen), run / ".hydra" / "config.yaml")  # as Hydra writes it
    capsys.readouterr()
    plain_finetune.main([str(run)])
    said = capsys.readouterr().out
    assert re.findall(r"^epoch (\d) of 3: loss \d\.\d+, val AUC \d\.\d+ \(\d+ s\)$", said, re.MULTILINE) == [
        "1",
        "2",
        "3",
    ]
    lines = said.splitlines()
    trained, plain = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines[-2:])
    wanted = metrics(run)["splits"]["test"]["metrics"]["auc"]["value"]
    assert trained[:3] == ["train.py", "8", "8"]
    assert float(trained[3].split()[0]) == pytest.approx(wanted, abs=6e-4)
    assert plain[:3] == ["plain", "8", "8"]
    assert float(plain[3].split()[0]) > 0.8  # what can be learned is learned


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"is not the folder of a training: it has no \.hydra/config\.yaml"):
        plain_finetune.main([str(tmp_path)])
