"""One pass scores images as they are and after every corruption; what that says, and where it comes from."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import DictConfig
from sklearn.metrics import roc_auc_score

from fakedet.augment.corruptions import corrupt
from fakedet.augment.suite import Suite, build_suite
from fakedet.data.benchmarks.folder import Folder
from fakedet.detector.decision import Calibration, Decision
from fakedet.detector.image import decode, preprocess
from fakedet.detector.spec import PreprocessSpec
from fakedet.errors import UserError
from fakedet.evaluation import variants
from fakedet.evaluation.intervals import intervals
from fakedet.evaluation.levels import to_videos
from fakedet.evaluation.robustness import corrupted_scores, robustness_figures, summarise_robustness
from fakedet.evaluation.scoring import score
from fakedet.instantiation import instantiate
from fakedet.models import build
from fakedet.models.registry import Network

SPEC = PreprocessSpec(size=32)
CPU = torch.device("cpu")
RAW = Decision()
CONF = Path(__file__).parents[2] / "conf" / "robustness"
SUITE = build_suite(
    corruptions={"jpeg": [60, 20], "blur": [0, 1.5], "noise": [0, 9], "downscale": [1, 0.5], "social": [24]},
    surface={"jpeg": [60], "downscale": [0.5]},
    images=None,
    seed=4,
)


def _data(root: Path, workers: int = 0) -> Folder:
    data = Folder(
        root=str(root), batch_size=8, workers=workers, balance=["label"], limit=None, val_share=0.0, test_share=0.0,
        split_seed=0, max_unreadable=0.5, spec=SPEC,
    )  # fmt: skip
    data.prepare()
    return data


@pytest.fixture
def root(make_folder: Callable[..., Path], tmp_path: Path) -> Path:
    return make_folder(tmp_path / "images", groups=6, size=40)


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    return build("timm", model_name="test_resnet").eval()


def _scores(network: Network, root: Path, suite: Suite = SUITE, workers: int = 0) -> pd.DataFrame:
    data = _data(root, workers)
    return corrupted_scores(network, data, data.rows, CPU, RAW, suite)


def _logits(table: pd.DataFrame, name: str, strength: float | None = None) -> pd.Series:
    chosen = table["corruption"] == name
    if strength is not None:
        chosen &= table["strength"] == strength
    return table[chosen].set_index("path")["logit"]


def test_every_variant_of_every_image_has_the_score_of_its_own_pixels(network: Network, root: Path) -> None:
    table = _scores(network, root)
    assert len(table) == 12 * len(SUITE.variants)
    assert table["corruption"].unique().tolist() == [
        "clean", "jpeg", "blur", "noise", "downscale", "social", "surface",
    ]  # fmt: skip
    data = _data(root)
    plain = score(network, data, data.rows, CPU, RAW).set_index("path")["logit"]
    np.testing.assert_allclose(_logits(table, "clean"), plain, atol=1e-5)
    for name, strength in (("jpeg", 20), ("blur", 1.5), ("downscale", 0.5)):
        changed = [preprocess(corrupt(decode(root / path), name, strength, 0), SPEC) for path in data.rows["path"]]
        with torch.no_grad():
            wanted = network(torch.from_numpy(np.stack(changed)))
        found = _logits(table, name, strength)
        assert found.index.tolist() == data.rows["path"].tolist()
        np.testing.assert_allclose(found, wanted, atol=1e-5)
        assert np.abs(found - plain).max() > 1e-3
    np.testing.assert_allclose(table["score"], 1 / (1 + np.exp(-table["logit"])), atol=1e-12)


def test_scores_are_calibrated_as_those_of_any_prediction(network: Network, root: Path) -> None:
    data = _data(root)
    colder = Decision(Calibration("temperature", 3.0))
    table = corrupted_scores(network, data, data.rows, CPU, colder, SUITE)
    np.testing.assert_allclose(table["score"], 1 / (1 + np.exp(-table["logit"] / 3)), atol=1e-12)


def test_a_strength_that_changes_nothing_gives_the_clean_score_exactly(network: Network, root: Path) -> None:
    table = _scores(network, root)
    clean = _logits(table, "clean").tolist()
    for name, neutral in (("blur", 0), ("noise", 0), ("downscale", 1)):
        assert _logits(table, name, neutral).tolist() == clean
    surface = table[table["corruption"] == "surface"]
    corner = surface[surface["strength"].isna() & (surface["scale"] == 1)]
    assert corner["logit"].tolist() == clean
    edge = surface[(surface["strength"] == 60) & (surface["scale"] == 1)]
    assert edge["logit"].tolist() == _logits(table, "jpeg", 60).tolist()


@pytest.mark.parametrize("workers", [1, 2])
def test_scores_do_not_depend_on_the_workers(network: Network, root: Path, workers: int) -> None:
    pd.testing.assert_frame_equal(_scores(network, root), _scores(network, root, workers=workers))


def test_what_is_random_belongs_to_the_image_and_the_seed(network: Network, root: Path) -> None:
    suites = [build_suite({"noise": [9], "social": [24]}, surface=None, images=None, seed=seed) for seed in (0, 1)]
    whole, other = (_scores(network, root, suite) for suite in suites)
    data = _data(root)
    few = corrupted_scores(network, data, data.rows[5:], CPU, RAW, suites[0])
    for name in ("noise", "social"):
        found = _logits(few, name)
        np.testing.assert_allclose(found, _logits(whole, name)[found.index], atol=1e-5)
        assert np.abs(found - _logits(other, name)[found.index]).max() > 1e-3


def test_two_images_of_the_same_pixels_get_other_noise(network: Network, root: Path) -> None:
    (root / "real" / "again.jpg").write_bytes((root / "real" / "g00_0.jpg").read_bytes())
    table = _scores(network, root)
    for name, strength, alike in (("jpeg", 20, True), ("noise", 9, False)):
        first, second = _logits(table, name, strength)[["real/again.jpg", "real/g00_0.jpg"]]
        assert (abs(first - second) < 1e-5) == alike


def test_each_picture_is_decoded_once_and_no_batch_is_larger_than_declared(
    network: Network, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: list[Path] = []

    def counting(source: Path) -> np.ndarray:
        files.append(source)
        return decode(source)

    monkeypatch.setattr(variants, "decode", counting)
    sizes: list[int] = []
    hook = network.register_forward_pre_hook(lambda _, images: sizes.append(len(images[0])))
    table = _scores(network, root)
    hook.remove()
    assert sorted(files) == sorted(root / path for path in table["path"].unique())
    assert sum(sizes) == 12 * len({variant.simplest for variant in SUITE.variants})
    assert max(sizes) <= 8


def test_unreadable_images_are_named_and_in_no_number(network: Network, root: Path) -> None:
    (root / "fake" / "g01_0.jpg").write_bytes(b"no picture")
    data = _data(root)
    table = corrupted_scores(network, data, data.rows, CPU, RAW, SUITE)
    broken = table[table["path"] == "fake/g01_0.jpg"]
    assert set(broken["face_status"]) == {"unreadable"}
    assert broken[["logit", "score"]].isna().all(axis=None)
    assert set(table.loc[table["path"] != "fake/g01_0.jpg", "face_status"]) == {"given"}
    assert list(data.quarantine.reasons) == ["fake/g01_0.jpg"]
    summary = summarise_robustness(table, resamples=20)
    assert (summary["images"], summary["real"], summary["fake"], summary["unreadable"]) == (11, 6, 5, 1)


def test_the_suite_or_the_caller_says_how_many(network: Network, root: Path) -> None:
    data = _data(root)
    suite = build_suite(corruptions={"jpeg": [50]}, surface=None, images=4, seed=0)
    assert (
        summarise_robustness(corrupted_scores(network, data, data.rows, CPU, RAW, suite), resamples=20)["images"] == 4
    )
    assert len(corrupted_scores(network, data, data.rows, CPU, RAW, suite, limit=6)) == 2 * 6


def _table(groups: int = 20, frames: int = 3, videos: bool = False) -> pd.DataFrame:
    """Scores that lose their signal with strength, for 4 variants and a surface of 4."""
    rng = np.random.default_rng(0)
    clips = [f"{name}/{group:02d}" for group in range(groups) for name in ("real", "fake")]
    rows = pd.DataFrame({"video": np.repeat(clips, frames), "face_status": "given"})
    rows["path"] = [f"{clip}/{frame}.png" for clip in clips for frame in range(frames)]
    rows["label"] = rows["video"].str.startswith("fake").astype(int)
    rows["group"] = "g" + rows["video"].str[-2:]
    if not videos:
        rows["video"] = None
    shared = rng.normal(size=len(rows))
    parts = []
    declared: list[tuple[str, float, float, float]] = [
        ("clean", np.nan, np.nan, 2.0), ("jpeg", 60, np.nan, 1.0), ("jpeg", 20, np.nan, 0.2),
        ("brightness", -0.2, np.nan, 1.2), ("brightness", 0.2, np.nan, 1.5), ("brightness", 0.4, np.nan, 0.5),
        ("surface", np.nan, 1, 2.0), ("surface", np.nan, 0.5, 1.0), ("surface", 60, 1, 1.0), ("surface", 60, 0.5, 0.4),
    ]  # fmt: skip
    for name, strength, scale, signal in declared:
        logits = signal * (2 * rows["label"] - 1) + shared + 0.3 * rng.normal(size=len(rows))
        scores = {"logit": logits, "score": 1 / (1 + np.exp(-logits))}
        parts.append(rows.assign(corruption=name, strength=strength, scale=scale, **scores))
    return pd.concat(parts, ignore_index=True)


def _parts(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for _, part in table.groupby(["corruption", "strength", "scale"], dropna=False, sort=False):
        yield part.reset_index(drop=True)


def test_numbers_are_those_of_each_variant_alone() -> None:
    table = _table()
    summary = summarise_robustness(table, resamples=100, seed=3)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert (summary["images"], summary["real"], summary["fake"], summary["groups"]) == (120, 60, 60, 20)
    assert set(summary["levels"]) == {"frame"}
    level = summary["levels"]["frame"]
    aucs = [float(roc_auc_score(part["label"], part["score"])) for part in _parts(table)]
    found = [level["clean"], *(entry["auc"] for name in ("jpeg", "brightness") for entry in level["corruptions"][name])]
    assert [each["value"] for each in found] == pytest.approx(aucs[:6], abs=1e-12)
    for part, each in zip(_parts(table), found, strict=False):
        alone = intervals(part["label"], part["score"], part["group"], resamples=100, seed=3).bounds["auc"]
        assert (each["low"], each["high"]) == pytest.approx(alone, abs=1e-12)
    assert [entry["strength"] for entry in level["corruptions"]["jpeg"]] == [60, 20]
    losses = [entry["loss"] for name in ("jpeg", "brightness") for entry in level["corruptions"][name]]
    assert [loss["value"] for loss in losses] == pytest.approx([aucs[0] - auc for auc in aucs[1:6]], abs=1e-12)
    # What makes an image hard makes it hard in both scorings, so that the loss is surer than either AUC.
    assert losses[0]["high"] - losses[0]["low"] < found[1]["high"] - found[1]["low"]
    mean = (np.mean(aucs[1:3]) + np.mean(aucs[3:6])) / 2
    assert level["mean_corruption"]["auc"]["value"] == pytest.approx(mean, abs=1e-12)
    assert level["mean_corruption"]["loss"]["value"] == pytest.approx(aucs[0] - mean, abs=1e-12)
    assert level["mean_corruption"]["loss"]["low"] > 0
    surface = level["surface"]
    assert (surface["jpeg"], surface["downscale"]) == ([None, 60], [1, 0.5])
    np.testing.assert_allclose(surface["auc"], np.reshape(aucs[6:], (2, 2)), atol=1e-12)


def test_a_table_that_was_stored_says_the_same(tmp_path: Path) -> None:
    table = _table(videos=True)
    table.to_parquet(tmp_path / "robustness.parquet", index=False)
    again = pd.read_parquet(tmp_path / "robustness.parquet")
    assert summarise_robustness(again, resamples=20) == summarise_robustness(table, resamples=20)


def test_videos_are_scored_as_videos_where_they_are_known() -> None:
    table = _table(videos=True)
    summary = summarise_robustness(table, resamples=50)
    frame, video = summary["levels"]["frame"], summary["levels"]["video"]
    assert (frame["units"], video["units"]) == (120, 40)
    parts = [to_videos(part) for part in _parts(table)]
    aucs = [roc_auc_score(part["label"], part["score"]) for part in parts]
    assert video["clean"]["value"] == pytest.approx(aucs[0], abs=1e-12)
    assert video["corruptions"]["jpeg"][1]["auc"]["value"] == pytest.approx(aucs[2], abs=1e-12)
    assert video["corruptions"]["jpeg"][1]["auc"]["value"] != frame["corruptions"]["jpeg"][1]["auc"]["value"]
    highest = summarise_robustness(table, resamples=20, pooling="max")["levels"]["video"]
    pooled = to_videos(list(_parts(table))[2], "max")
    assert highest["pooling"] == "max"
    found = highest["corruptions"]["jpeg"][1]["auc"]["value"]
    assert found == pytest.approx(roc_auc_score(pooled["label"], pooled["score"]), abs=1e-12)
    assert found != video["corruptions"]["jpeg"][1]["auc"]["value"]


def test_what_cannot_be_given_is_a_gap() -> None:
    table = _table()
    level = summarise_robustness(table[table["label"] == 1], resamples=20)["levels"]["frame"]
    assert level["clean"] == {"value": None, "low": None, "high": None}
    assert level["surface"]["auc"] == [[None, None], [None, None]]
    assert set(robustness_figures(level)) == {"Corruptions", "JPEG and scale"}
    few = summarise_robustness(_table(groups=1, frames=9), resamples=20)["levels"]["frame"]
    assert few["clean"]["value"] is not None
    assert few["clean"]["low"] is None


def test_variants_of_other_images_are_refused() -> None:
    table = _table()
    with pytest.raises(UserError, match="Not every corruption has the same images, brightness has others"):
        summarise_robustness(table.drop(table.index[table["corruption"] == "brightness"][0]))
    with pytest.raises(UserError, match="do not begin with those of the clean images"):
        summarise_robustness(table[table["corruption"] != "clean"])


def test_figures_show_the_clean_images_where_they_belong() -> None:
    level = summarise_robustness(_table(), resamples=50)["levels"]["frame"]
    figures = robustness_figures(level)
    jpeg, brightness = figures["Corruptions"].axes
    ticks = [[label.get_text() for label in axes.get_xticklabels()] for axes in (jpeg, brightness)]
    assert ticks == [["clean", "60", "20"], ["-0.2", "clean", "0.2", "0.4"]]
    (line,) = (line for line in brightness.lines if line.get_label() == "AUC")
    assert np.asarray(line.get_ydata())[1] == level["clean"]["value"]
    del level["surface"]
    assert set(robustness_figures({**level, "surface": None})) == {"Corruptions"}


@pytest.mark.parametrize("file", sorted(CONF.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_declared_suite_builds(compose: Callable[..., DictConfig], file: Path) -> None:
    config = compose("evaluate", "ckpt=x", f"robustness={file.stem}")
    suite = instantiate(config.robustness)
    assert isinstance(suite, Suite)
    assert suite.images == {"standard": 1000, "quick": 200}[file.stem]
    assert suite.variants[0].corruption == "clean"
    assert len(suite.variants) > 9


def test_nothing_is_tried_unless_it_is_asked_for_and_wrong_names_are_named(compose: Callable[..., DictConfig]) -> None:
    assert compose("evaluate", "ckpt=x").robustness is None
    config = compose("evaluate", "ckpt=x", "robustness=quick", "+robustness.corruptions.blurr=[1]")
    with pytest.raises(UserError, match=r"There is no corruption 'blurr' .did you mean blur"):
        instantiate(config.robustness)
