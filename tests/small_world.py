"""The world that documented commands act in: a folder that stands for the root of all files and for where one works."""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from documented import ROOT, Command
from films import write
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from pictures import ASTRONAUT, COFFEE, encoded
from runs import evaluate_here, train_here

from fakedet.augment import Pipeline
from fakedet.config import check_keys
from fakedet.data.miniatures import make_tree
from fakedet.detector.spec import NO_FACE, PreprocessSpec
from fakedet.evaluation.decision import check_wanted
from fakedet.evaluation.levels import check_pooling
from fakedet.instantiation import check_targets, instantiate
from fakedet.models.registry import names as networks
from fakedet.training.trainer import check_monitors, choose_precision

PLACES = {"/images", "/downloads/Celeb-DF-v2", "/data/celebdf"}
# How many commands of each entry are truly run, and what makes them quick: the first that need nothing else than
# the world holds. The others are composed, and held to what their entry refuses before it looks at a file.
MOST = {"train": 1, "evaluate": 2, "compare": 2, "prepare": 1, "audit": 1, "export": 1, "predict": 2}
QUICK = {
    "train": [
        "trainer.accelerator=cpu", "trainer.max_epochs=1", "preprocess.size=32", "model.weights=null", "logger=none",
        "data.workers=0", "data.batch_size=8", "callbacks.progress=null", "callbacks.summary=null",
    ],
    "evaluate": ["device=cpu", "shortcut=false", "explanations=0"],
    "prepare": ["frames=2", "workers=1"],
    "audit": ["sample=40"],
    "export": ["threads=1", "data.workers=0"],
    "predict": ["threads=1"],
}  # fmt: skip
_PATH = re.compile(r"(?<![\w.:/…*}$-])/(?=[\w.])[\w./*-]*")
_SOURCES = {
    ".onnx": "detector.onnx", ".jpg": "photo.jpg", ".jpeg": "photo.jpg", ".png": "photos/a.png", ".mp4": "clip.mp4",
    ".txt": "addresses.txt", "": "photos",
}  # fmt: skip


def make_world(folder: Path, make_folder: Callable[..., Path], detector_file: Path) -> Path:
    """Pictures, a data set, a download, a trained run and its evaluation, and a detector; worked in from now on."""
    (folder / "photos").mkdir()
    (folder / "photo.jpg").write_bytes(encoded(ASTRONAUT, "JPEG"))
    (folder / "photos" / "a.png").write_bytes(encoded(COFFEE))
    (folder / "photos" / "b.jpg").write_bytes(encoded(ASTRONAUT, "JPEG"))
    (folder / "addresses.txt").write_text("photo.jpg\n")
    write(folder / "clip.mp4", 12)
    shutil.copy(detector_file, folder / "detector.onnx")
    make_tree("celebdf", folder / "downloads" / "Celeb-DF-v2")
    make_folder(folder / "images", groups=30, size=40)
    train_here(folder / "outputs" / "train" / "RUN", folder / "images", "trainer.max_epochs=1")
    evaluate_here(folder / "outputs" / "evaluate" / "RUN", f"ckpt={folder / 'outputs' / 'train' / 'RUN'}")
    return folder


def paths_in(line: str) -> set[str]:
    """The absolute paths that a command names."""
    return set(_PATH.findall(line))


def entry_of(words: Sequence[str]) -> str | None:
    """`train` of `python src/train.py`; None where it is another program."""
    found = re.fullmatch(r"(?:.*/)?src/(\w+)\.py", words[1]) if len(words) > 1 else None
    return found[1] if found else None


def chosen(commands: Sequence[Command]) -> set[str]:
    """Those commands of entries that are truly run."""
    left, found = dict(MOST), set()
    for command in commands:
        name, line = entry_of(command.words), " ".join(command.words[2:])
        if (
            name is None
            or not left.get(name)
            or paths_in(line) - PLACES
            or re.search(r"(^| )-|resume=|robustness=|=gpu", line)
        ):
            continue
        data = re.search(r"\bdata=(\w+)", line)
        if (data[1] if data else "folder") == ("celebdf" if name == "prepare" else "folder"):
            left[name] -= 1
            found.add(str(command))
    return found


def placed(word: str, world: Path) -> str:
    """A word of a command, with the places that it names moved into the world."""
    word = re.sub(r"outputs/(train|evaluate)/[^\s,\]}/]+(?:/20[^\s,\]}/]+)?", r"outputs/\1/RUN", word)
    word = re.sub(r"(ckpt=|runs=\[)(RUN\w*|…)", r"\1outputs/train/RUN", word)
    word = re.sub(r"(root=|raw=|input=)…", r"\1/images", word)
    return _PATH.sub(lambda found: f"{world}{found[0]}", word)


def provide(word: str, world: Path) -> None:
    """Put a picture, a film, a folder or a detector where a command looks for one."""
    file = world / word
    if "*" in word or file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    source = world / _SOURCES[file.suffix.lower()]
    if source.is_dir():
        shutil.copytree(source, file)
    else:
        shutil.copy(source, file)


def composed(name: str, overrides: list[str], run: Path, conf: Path = ROOT / "conf") -> Any:
    """The config that an entry would get; its run folder is `run`."""
    plain = {
        "train": [f"run.dir={run}", "run.name=x", "run.group=null", "run.tags=[]"],
        "evaluate": [f"run.dir={run}", "run.name=x", "run.group=null", "run.tags=[]"],
        "audit": [f"run.dir={run}"],
    }
    with initialize_config_dir(str(conf), version_base="1.3"):
        return compose(name, [*plain.get(name, []), *overrides])


def variants(words: list[str]) -> Iterator[list[str]]:
    """The overrides of runs of a sweep in which every value is seen once; without one, the overrides.

    What chooses one of Hydra's plugins is left out: the tests do without them.
    """
    values = []
    for override in OverridesParser.create().parse_overrides(words):
        if re.match(r"hydra[/.](launcher|sweeper)", str(override.key_or_group)):
            continue
        line = str(override.input_line)
        swept = override.is_sweep_override()
        key = line.partition("=")[0]
        values.append([f"{key}={value}" for value in override.sweep_string_iterator()] if swept else [line])
    for number in range(max(map(len, values), default=1)):
        yield _filled([each[min(number, len(each) - 1)] for each in values])


def _filled(overrides: list[str]) -> list[str]:
    """Overrides with `${hydra:runtime.choices.data}` filled in, as Hydra does it when a job starts."""
    chosen = dict(override.split("=", 1) for override in overrides)
    pattern = r"\$\{hydra:runtime\.choices\.(\w+)\}"
    return [re.sub(pattern, lambda found: chosen[found[1]], override) for override in overrides]


def check_accepted(name: str, config: Any) -> None:
    """Hold a config to what its entry refuses before it looks at a file."""
    check_keys(config)
    if name == "evaluate" and config.predictions is not None:
        config.ckpt = "unused"  # scores that exist want no checkpoint
    check_targets(OmegaConf.to_container(config, resolve=True, throw_on_missing=True))
    if config.get("data") and "_target_" in config.data:
        instantiate(config.data, spec=PreprocessSpec(), augment=Pipeline())
    if name == "train":
        instantiate(config.augmentation)
        check_wanted(config.decision.calibration, config.decision.false_positive_rate)
        choose_precision(str(config.trainer.precision), "cpu")
        check_monitors(config.callbacks)
        assert config.model.name in networks()
    if name == "evaluate":
        check_pooling(config.pooling)
        assert config.no_face in (None, *NO_FACE)
        assert config.split in (None, "train", "val", "test", "all")
        if config.robustness is not None:
            instantiate(config.robustness)
    if name == "export":
        assert config.quantize in (None, "int8")
