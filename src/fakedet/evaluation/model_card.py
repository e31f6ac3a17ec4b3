"""The model card: what a detector is for, what it was judged on and how it fared, as Markdown from `metrics.json`."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fakedet.evaluation import summary
from fakedet.evaluation.breakdown import SHOWN, worst_method
from fakedet.evaluation.sections import promises
from fakedet.figures import canvas
from fakedet.metrics.scores import TITLES

_UNKNOWN = "not recorded"
_USE = (
    "To point people at pictures that deserve a closer look, beside other evidence, where the pictures are like those "
    "below: the same kinds of forgery, sources and compression.",
    "To be compared with other detectors on the same images.",
)
_NO_USE = (
    "As the only ground for a decision about a person, or as proof before a court or an authority.",
    "For kinds of forgery, cameras, generators or compression that it was not judged on: no number holds there.",
    "A `real` is no proof that a picture is authentic, and a heat map no proof of where it was forged.",
)
_ETHICS = (
    "Error rates were not compared between people of different age, sex or skin: do so on your own data before use.",
)


def model_card(metrics: Mapping[str, Any], detector: Mapping[str, object], environment: Mapping[str, object]) -> str:
    """The card as Markdown; every number in it stands in `metrics.json` or in what else is given.

    Its headings follow Mitchell et al., "Model cards for model reporting", FAT* 2019.

    Args:
        metrics: what `metrics.json` holds.
        detector: name -> value, such as the fields of the preprocessing.
        environment: name -> version of what ran.
    """
    about = metrics.get("detector") or {}
    trained = {
        "data sets": ", ".join(about.get("trained_on", [])) or _UNKNOWN,
        "images of its own training": f"{about['images']:,}" if about.get("images") is not None else _UNKNOWN,
        "protocol": about.get("protocol") or _UNKNOWN,
    }
    parts = [
        f"# Model card: {_plain(about.get('name') or metrics['model'])}",
        *(f"**{_plain(line)}**" for line in summary.leaks(metrics)),
        "## Model details",
        _list({"network": metrics["model"], "checkpoint": metrics["checkpoint"], **detector}),
        "## Intended use",
        _lines(_USE),
        "## Not intended",
        _lines(_NO_USE),
        "## Training data",
        _list(trained),
        "## Evaluation data",
        _list(_evaluated(metrics)),
        "## Metrics",
        _bracket(metrics),
        _table(["Metric", *summary.levels(metrics)], _numbers(metrics)),
        *_by_part(metrics),
        "## Decision and calibration",
        _list({"decision": metrics.get("decision", {}).get("words", _UNKNOWN)}),
        _table(["At the threshold", "Reals called fake", "Promised at most", "Kept", "Fakes found"], promises(metrics)),
        "## Robustness and shortcuts",
        _lines(_checked(metrics)),
        "## Ethical considerations",
        _lines(_ETHICS),
        "## Caveats",
        _lines([*summary.notes(metrics), *_WARNINGS]),
        "## Environment",
        _list({**latency_in_words(metrics.get("latency")), **environment}),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


_WARNINGS = (
    "The numbers hold for these data sets: on pictures of other sources, forgeries or compression the detector may do "
    "no better than a guess.",
)


def _bracket(metrics: Mapping[str, Any]) -> str:
    bootstrap = next(iter(metrics["splits"].values()))["bootstrap"]
    return (
        f"In brackets: {100 * bootstrap['interval']:g} % interval from {bootstrap['resamples']:,} resamples of whole "
        "groups. A dash is a number that these images cannot give."
    )


def _evaluated(metrics: Mapping[str, Any]) -> dict[str, object]:
    facts: dict[str, object] = {
        "data set": metrics["dataset"],
        "protocol": " ".join(str(metrics[key]) for key in ("protocol_name", "protocol") if metrics.get(key)),
    }
    for split, entry in metrics["splits"].items():
        facts[split] = (
            f"{entry['images']:,} images ({entry['real']:,} real, {entry['fake']:,} fake) of {entry['groups']:,} groups"
        )
        if "coverage" in entry:
            facts[f"{split}, coverage"] = covered_in_words(entry["coverage"])
    if "pooling" in metrics:
        facts["frames to videos"] = metrics["pooling"]
    facts["audit"] = audit_in_words(metrics)
    return facts


def covered_in_words(coverage: Mapping[str, Any]) -> str:
    """What share of the pictures has a score, by class, and what became of those without a face."""
    by_class = [f"{name}: {summary.percent(coverage[name])}" for name in ("real", "fake") if coverage[name] is not None]
    lost = f"; {coverage['no_face']:,} show no face (policy: {coverage['policy']})" if coverage["no_face"] else ""
    return f"{summary.percent(coverage['share'])} of the images have a score ({', '.join(by_class)}){lost}"


def latency_in_words(latency: Mapping[str, Any] | None) -> dict[str, str]:
    """How long one image takes, and where."""
    if not latency:
        return {"latency": "not measured"}
    times = f"median {latency['median_ms']:.1f} ms, 95th percentile {latency['p95_ms']:.1f} ms"
    return {"one image at a time": times, "device": str(latency["device"])}


def audit_in_words(metrics: Mapping[str, Any]) -> str:
    """What an audit of the evaluated data found, in one line."""
    audit = metrics.get("audit")
    if audit is None:
        return "not made; src/audit.py looks for leaks and shortcuts in the data"
    return f"{audit['when']}: {' '.join(audit['findings']) or 'nothing found'}"


def _numbers(metrics: Mapping[str, Any]) -> list[list[str]]:
    entries = summary.levels(metrics).values()
    rows = [[title, *(summary.cell(entry["metrics"][name]) for entry in entries)] for name, title in TITLES.items()]
    return rows + [[name.capitalize(), *cells] for name, cells in summary.counts(metrics).items()]


def _by_part(metrics: Mapping[str, Any]) -> list[str]:
    blocks = []
    for split, entry in metrics["splits"].items():
        for column, parts in entry.get("parts", {}).items():
            rows = [
                [
                    name,
                    *(summary.cell(part["metrics"][metric]) for metric in SHOWN),
                    f"{part['real']:,}",
                    f"{part['fake']:,}",
                ]
                for name, part in parts.items()
            ]
            blocks.append(f"### By {column}, {split}")
            if column == "method" and worst_method(entry["parts"]):
                blocks.append(f"Worst: {_plain(worst_method(entry['parts']))}.")
            blocks.append(_table([column.capitalize(), *(TITLES[metric] for metric in SHOWN), "Real", "Fake"], rows))
    return blocks


def _checked(metrics: Mapping[str, Any]) -> list[str]:
    lines = []
    for split, found in metrics.get("checks", {}).items():
        if "shortcut" in found:
            lines.append(f"{split}: {found['shortcut']['says']}")
        for name, level in found.get("robustness", {}).get("levels", {}).items():
            mean = level["mean_corruption"]
            clean, corrupted, loss = (summary.cell(each) for each in (level["clean"], mean["auc"], mean["loss"]))
            lines.append(
                f"{split}, {name} level: AUC of {clean} as they are, {corrupted} on average corrupted; lost: {loss}."
            )
        maps = found.get("explanations", {})
        for kind in ("deletion", "insertion"):
            if maps.get(kind) is not None:
                areas = {name: summary.cell(maps[kind][name]["area"]) for name in ("gradcam", "random")}
                lines.append(
                    f"{split}, Grad-CAM maps, {kind}: area under the curve {areas['gradcam']}, of the same maps moved "
                    f"elsewhere {areas['random']}."
                )
    return lines or ["Not checked."]


def _list(values: Mapping[str, object]) -> str:
    return "\n".join(
        f"- **{_plain(name)}:** {_UNKNOWN if value is None else _plain(value)}" for name, value in values.items()
    )


def _lines(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {_plain(sentence)}" for sentence in sentences)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", *("---:" for _ in header[1:])], *([_plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(value: object) -> str:
    """Foreign text as one line that is neither markup nor the end of a cell."""
    line = canvas.printable(str(value).replace("\N{NO-BREAK SPACE}", " "), 1000)
    return re.sub(r"([\\|<>*]|(?<=\])\(|(?<!\w)_|_(?!\w))", r"\\\1", line)
