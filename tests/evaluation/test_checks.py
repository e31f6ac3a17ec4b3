"""Sections on what was asked beyond the score, made from nothing but what `metrics.json` holds."""

from typing import Any

from fakedet.evaluation.checks import sections_of
from fakedet.figures.page import Facts, Gallery, Grid, Picture, Section


def _mean(value: float, *, known: bool = True) -> dict[str, float | None]:
    return {"value": value, "low": value - 0.1 if known else None, "high": value + 0.1 if known else None}


def _level() -> dict[str, Any]:
    both = {"auc": _mean(0.7), "loss": _mean(0.2)}
    return {
        "units": 100,
        "clean": _mean(0.9),
        "mean_corruption": both,
        "corruptions": {"jpeg": [{"strength": 75, **both}, {"strength": 40, **both}]},
        "surface": {"jpeg": [None, 60], "downscale": [1, 0.5], "auc": [[0.9, 0.8], [0.7, None]]},
    }


def _curves() -> dict[str, Any]:
    shape = {"mean": [0.9, 0.5, 0.4], "lower": [0.8, 0.4, 0.3], "upper": [1.0, 0.6, 0.5]}
    kinds = {"gradcam": 0.55, "random": 0.65, "usual": 0.6}
    return {
        "shares": [0.0, 0.5, 1.0],
        **{name: {"area": _mean(value, known=False), **shape} for name, value in kinds.items()},
        "minus_random": _mean(-0.1),
        "minus_usual": _mean(-0.05),
    }


def _overlap(value: float) -> dict[str, Any]:
    measure = {**_mean(value), "chance": 0.2, "usual": 0.3}
    return {"images": 12, "zero_maps": 0, **dict.fromkeys(("pointing", "energy", "iou"), measure)}


def _explanations(*methods: str) -> dict[str, Any]:
    return {
        "images": 24,
        "zero_maps": 1,
        "deletion": _curves(),
        "insertion": _curves(),
        "overlap": {name: _overlap(0.6) for name in methods},
        "overlap_all": _overlap(0.61) if methods else None,
        "notes": ["1 masks are of no use; the first is x."],
    }


def _pictures(section: Section) -> list[Picture]:
    return [picture for block in section.blocks if isinstance(block, Gallery) for picture in block.pictures]


def _rows(section: Section) -> dict[str, list[str]]:
    cells = [list(row) for block in section.blocks if isinstance(block, Grid) for row in block.rows]
    return {row[0]: [cell.replace("\N{NO-BREAK SPACE}", " ") for cell in row[1:]] for row in cells}


def test_robustness_has_a_row_and_figures_for_each_level() -> None:
    found = {"images": 100, "real": 40, "fake": 60, "levels": {"frame": _level(), "video": _level()}}
    (section,) = sections_of({"robustness": found})
    assert _rows(section) == {
        f"{level} level": ["0.900 [0.800, 1.000]", "0.700 [0.600, 0.800]", "0.200 [0.100, 0.300]"]
        for level in ("frame", "video")
    }
    assert [picture.alt for picture in _pictures(section)] == [
        f"{title}, {level} level" for level in ("frame", "video") for title in ("Corruptions", "JPEG and scale")
    ]
    assert all(picture.figure is not None for picture in _pictures(section)), "figures are saved and tracked too"
    assert "40 real, 60 fake" in section.text


def test_explanations_show_areas_and_all_methods_together_below_each() -> None:
    (section,) = sections_of({"explanations": _explanations("blend", "swap")})
    assert [picture.alt for picture in _pictures(section)] == ["Deletion", "Insertion", "Overlap with forged regions"]
    rows = _rows(section)
    assert rows["Deletion"] == ["0.550", "0.650", "0.600"]
    assert list(rows)[-3:] == ["blend", "swap", "all methods"]
    assert rows["all methods"] == ["12", *["0.610 [0.510, 0.710]"] * 3]
    figure = _pictures(section)[-1].figure
    assert figure is not None
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == ["all methods (12)", "swap (12)", "blend (12)"], "from below"
    assert "24 images that were called fake, 1 of their maps zero" in section.text
    assert section.text.endswith("1 masks are of no use; the first is x.")


def test_one_method_needs_no_sum_and_no_mask_no_figure() -> None:
    (alone,) = sections_of({"explanations": _explanations("swap")})
    assert "all methods" not in _rows(alone)
    (none,) = sections_of({"explanations": _explanations()})
    assert len(_pictures(none)) == 2


def test_what_was_not_checked_is_a_sentence_and_what_was_not_asked_is_absent() -> None:
    empty: dict[str, Any] = {
        "images": 0,
        "zero_maps": 0,
        "deletion": None,
        "insertion": None,
        "overlap": {},
        "overlap_all": None,
    }
    (section,) = sections_of({"explanations": {**empty, "notes": ["There is no map to check."]}})
    assert (section.text, list(section.blocks)) == ("There is no map to check.", [])
    (shortcut,) = sections_of({"shortcut": {"says": "No sign."}})
    assert shortcut.text == "No sign."
    assert not any(isinstance(block, Facts) for block in shortcut.blocks)
    assert sections_of({}) == []


def test_splits_are_told_apart() -> None:
    found = {"robustness": {"images": 1, "real": 1, "fake": 0, "levels": {"frame": _level()}}}
    val, test = (sections_of(found, split)[0] for split in ("val", "test"))
    assert (val.title, test.title) == ("Robustness, val", "Robustness, test")
    assert not {picture.alt for picture in _pictures(val)} & {picture.alt for picture in _pictures(test)}
