import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import ConfigCompositionException, HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from fakedet.config import PreprocessConfig, check_keys, preprocess_spec
from fakedet.detector.spec import PreprocessSpec
from fakedet.entry import explain
from fakedet.errors import UserError, did_you_mean
from fakedet.instantiation import buildable, check_targets, instantiate

Compose = Callable[..., DictConfig]

REFUSED = [
    "os.system",
    "os._exit",
    "posix.system",
    "subprocess.run",
    "builtins.open",
    "builtins.eval",
    "pathlib.Path.touch",
    "joblib.load",
    "pickle.loads",
    "torch.load",
    "torch.hub.load",
    "torch.ops.load_library",
    "torch.jit.load",
    "torch.utils.cpp_extension.load",
    "torch.serialization.os.system",
    "torch.Tensor",
    "torchvision.datasets.ImageFolder",
    "hydra.utils.get_method",
    "hydra.utils.instantiate",
    "lightning.pytorch.utilities.cloud_io.get_filesystem",
    "lightning.pytorch.callbacks._private.Callback",
    "fakedet.instantiation.instantiate",
    "fakedet.config.os.system",
    "fakedet.instantiation.importlib.import_module",
    "fakedet.instantiation.hydra",
    "fakedet.entry.os.system",
    "fakedet.entry.sys.exit",
    "fakedet.entry.RunOutcome",
    "fakedet.detector.image.decode",
    "fakedet.models.checkpoint.read",
    "fakedet.models.registry._locate",
    "fakedet.models.registry.torch.load",
    "__main__.main",
    "torch.nn.Module.__init__",
    "torch.nn.Linear.forward",
    "torch",
    "torch.",
    ".torch",
    "torch..nn",
    "",
    "Linear",
]


def test_the_twins_have_equal_fields_and_defaults() -> None:
    assert [field.name for field in fields(PreprocessConfig)] == [field.name for field in fields(PreprocessSpec)]
    assert preprocess_spec(PreprocessConfig()) == PreprocessSpec()
    assert preprocess_spec(OmegaConf.structured(PreprocessConfig)) == PreprocessSpec()


@pytest.mark.parametrize("target", REFUSED)
def test_targets_that_are_no_parts_of_a_run_are_refused(target: str) -> None:
    with pytest.raises(UserError, match="_target_: "):
        check_targets({"_target_": target})


@pytest.mark.parametrize("target", [None, 3, ["torch.nn.Linear"], {"_target_": "torch.nn.Linear"}])
def test_targets_are_names(target: Any) -> None:
    with pytest.raises(UserError, match="is not a dotted name"):
        check_targets({"_target_": target})


@pytest.mark.parametrize(
    "target",
    [
        "torch.nn.Linear",
        "torch.optim.AdamW",
        "albumentations.HorizontalFlip",
        "lightning.pytorch.Trainer",
        "lightning.pytorch.callbacks.ModelCheckpoint",
        "torchmetrics.classification.BinaryAUROC",
        "fakedet.models.build",
        "fakedet.augment.build",
        "fakedet.data.benchmarks.folder.Folder",
    ],
)
def test_parts_of_a_run_are_allowed(target: str) -> None:
    check_targets({"a": [{"b": {"_target_": target}}]})


def _evil(file: Path) -> dict[str, Any]:
    return {"_target_": "pathlib.Path.touch", "_args_": [{"_target_": "pathlib.Path", "_args_": [str(file)]}]}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda evil: evil,
        lambda evil: {"_target_": "torch.nn.Linear", "in_features": 3, "out_features": evil},
        lambda evil: {"_target_": "torch.nn.ModuleList", "modules": [{"_target_": "torch.nn.ReLU"}, [evil]]},
        lambda evil: {"_target_": "torch.nn.Dropout", "p": {"deep": {"er": evil}}},
        lambda evil: {"_target_": "torch.nn.Dropout", "_recursive_": False, "p": evil},
        # Hydra fills such a value in after a check of the text, and would build what it finds.
        lambda evil: {"_target_": "torch.nn.Dropout", "p": f"${{oc.create:{_inline(evil)}}}"},
        lambda evil: {"_target_": "torch.nn.Dropout", "p": f"\\${{oc.create:{_inline(evil)}}}"},
        lambda evil: {"_target_": "torch.nn.Dropout", "\\${oc.env:HOME}": 1, "p": evil},
        # A part that is a config of its own inside a plain dict.
        lambda evil: {"_target_": "torch.nn.Dropout", "p": OmegaConf.create([evil])},
    ],
)
@pytest.mark.parametrize("as_config", [False, True])
def test_nothing_runs_before_all_is_checked(wrap: Callable[[Any], Any], as_config: bool, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    config = wrap(_evil(canary))
    with pytest.raises(UserError):
        instantiate(OmegaConf.create(config) if as_config else config)
    assert not canary.exists()


def _inline(evil: dict[str, Any]) -> str:
    file = evil["_args_"][0]["_args_"][0]
    return f"{{_target_: pathlib.Path.touch, _args_: [{{_target_: pathlib.Path, _args_: ['{file}']}}]}}"


def test_a_refused_target_is_not_even_imported(tmp_path: Path) -> None:
    (tmp_path / "torch_evil.py").write_text("open('canary', 'w')")
    program = """
import sys
from fakedet.instantiation import check_targets
from fakedet.errors import UserError
sys.path.insert(0, ".")
for target in ("torch_evil.Module", "this.s", "antigravity.fly"):
    try:
        check_targets({"_target_": target})
    except UserError:
        print("refused")
print("antigravity" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["refused", "refused", "refused", "False"]
    assert not (tmp_path / "canary").exists()


def test_parts_arrive_as_plain_python() -> None:
    config = OmegaConf.create({"_target_": "torch.optim.AdamW", "_partial_": True, "betas": [0.5, 0.9]})
    assert type(instantiate(config).keywords["betas"]) is list


def test_injected_objects_arrive_as_they_are() -> None:
    spec = PreprocessSpec(size=64)
    config = {"_target_": "fakedet.data.benchmarks.folder.Folder", "root": ".", "batch_size": 2, "workers": 0,
              "balance": [], "limit": None, "val_share": 0.1, "test_share": 0.1, "split_seed": 0,
              "max_unreadable": 0.0}  # fmt: skip
    assert instantiate(config, spec=spec).spec is spec


def test_interpolations_are_filled_in_before_the_check() -> None:
    layer = {"_target_": "torch.nn.Linear", "in_features": "${size}", "out_features": 1}
    config = OmegaConf.create({"name": "os.system", "part": {"_target_": "${name}"}, "size": 4, "layer": layer})
    with pytest.raises(UserError, match=r"_target_: os.system is not allowed"):
        instantiate(config.part)
    assert instantiate(config.layer).in_features == 4


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"_target_": "torch.nn.Linear", "in_feature": 3}, "torch.nn.Linear cannot be built: .*in_feature"),
        ({"_target_": "torch.nn.Dropout", "p": 3.0}, "torch.nn.Dropout cannot be built: dropout probability"),
        ({"_target_": "fakedet.augment.build", "transforms": [{"_target_": "torch.nn.ReLU"}]}, "is no transform"),
        ({}, "names nothing to build"),
        ({"p": 3}, "names nothing to build"),
        (None, "names nothing to build"),
    ],
)
def test_what_cannot_be_built_says_why(config: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        instantiate(config if config is None or "transforms" not in config else {**config, "_recursive_": False})


def test_the_causes_of_what_cannot_be_built_come_to_an_end() -> None:
    with pytest.raises(UserError, match=r"weights=\[\] names no file") as caught:
        instantiate({"_target_": "fakedet.models.build", "name": "mobilenetv2", "weights": []})
    seen: list[BaseException] = []
    cause: BaseException | None = caught.value
    while cause is not None:
        assert cause not in seen
        seen.append(cause)
        cause = cause.__cause__


def test_a_missing_value_is_named() -> None:
    config = OmegaConf.create({"data": {"_target_": "fakedet.data.benchmarks.folder.Folder", "root": "???"}})
    with pytest.raises(MissingMandatoryValue) as caught:
        instantiate(config.data)
    assert explain(caught.value) == "data.root must be given: data.root=…"


def test_functions_are_allowed_by_mark_alone() -> None:
    def build() -> int:
        return 3

    assert buildable(build) is build


@pytest.mark.parametrize(
    ("command", "override", "message"),
    [
        ("train", "seed=abc", "seed: Value 'abc' of type 'str' could not be converted to Integer"),
        ("train", "preprocess.size=large", "preprocess.size: Value 'large'"),
        ("train", "loss.label_smoothing=much", "loss.label_smoothing: Value 'much'"),
        ("train", "preprocess.imgsize=3", r"no setting preprocess.imgsize .did you mean size\?"),
        ("train", "modle=resnet18", r"no setting modle .did you mean model\?"),
        ("train", "data.batchsize=3", r"no setting data.batchsize .did you mean batch_size\?"),
        ("train", "trainer.max_epoch=3", r"no setting trainer.max_epoch .did you mean max_epochs\?"),
        ("train", "optimizer.lrr=3", r"no setting optimizer.lrr .did you mean lr\?"),
        ("train", "callbacks.early_stoping.patience=3", r"early_stoping .did you mean early_stopping\?"),
        ("train", "model=resnet52", r"model=resnet52 does not exist .did you mean resnet50\?.; choose efficient"),
        ("train", "logger=[csv,wandbb]", "logger=wandbb does not exist; --help lists what does"),
        ("train", "model=[", r"model=\[ is no override"),
        ("evaluate", "split_=all", r"no setting split_ .did you mean split\?"),
        ("evaluate", "allow_leak=perhaps", "allow_leak: Value 'perhaps' is not a valid bool"),
        ("compare", "rnus=[a]", r"no setting rnus .did you mean runs\?"),
        ("compare", "runs=a", "runs: "),
    ],
)
def test_mistakes_are_named_at_compose_time(compose: Compose, command: str, override: str, message: str) -> None:
    with pytest.raises((HydraException, OmegaConfBaseException)) as caught:
        compose(command, override)
    sentence = explain(caught.value)
    assert "\n" not in sentence
    assert re.search(message, sentence)


def test_values_arrive_typed(compose: Compose) -> None:
    config = compose("train", "seed=7", "preprocess.size=96", "preprocess.mean=[0,0,1]", "resume=null")
    assert (config.seed, config.preprocess.size, list(config.preprocess.mean)) == (7, 96, [0.0, 0.0, 1.0])
    assert preprocess_spec(config.preprocess) == PreprocessSpec(size=96, mean=(0, 0, 1))
    with pytest.raises(ConfigCompositionException):
        compose("train", "seed=null")


def test_only_close_names_are_suggested() -> None:
    assert did_you_mean("resnet51", ["resnet50", "timm"]) == " (did you mean resnet50?)"
    assert did_you_mean("zzz", ["resnet50", "timm"]) == ""


@pytest.mark.parametrize("added", ["+foo=1", "+schedule.foo=1", "+preprocess.siz=3"])
def test_a_setting_that_nothing_reads_is_refused(added: str, compose: Compose) -> None:
    with pytest.raises(UserError, match=f"there is no setting {added.lstrip('+').partition('=')[0]}"):
        check_keys(compose("train", added))


def test_what_the_yaml_files_say_is_all_read(compose: Compose) -> None:
    for name in ("train", "evaluate", "compare"):
        check_keys(compose(name))
