"""Frames to videos: by the manifest and never by folder names."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy.stats import trim_mean
from sklearn.metrics import roc_auc_score

from fakedet.errors import UserError
from fakedet.evaluation.levels import to_videos
from fakedet.evaluation.summary import summarise, table

METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")


def _frames(videos: Mapping[Any, Sequence[float]], label: int = 1) -> pd.DataFrame:
    rows = [(video, score) for video, scores in videos.items() for score in scores]
    return pd.DataFrame(
        {
            "path": [f"f/{number:03d}.png" for number in range(len(rows))],
            "label": label,
            "dataset": "made",
            "method": "Deepfakes" if label else "real",
            "video": pd.array([video for video, _ in rows], dtype="string"),
            "compression": pd.array(["c23"] * len(rows), dtype="string"),
            "group": pd.array([video or f"alone{number}" for number, (video, _) in enumerate(rows)], dtype="string"),
            "score": [score for _, score in rows],
            "face_status": "given",
        }
    )


def _faceforensics(frames: int = 10) -> pd.DataFrame:
    """Test split of 140 reals and four methods; a fake's folder is called alike below every method.

    One method of four is found, which lifts the mean over the four above all reals.
    """
    rng = np.random.default_rng(0)
    clips: list[tuple[str, str, str, float]] = []
    for pair in range(140):
        clips.append(("original_sequences/youtube", f"{pair:03d}", f"pair{pair // 2}", -0.6))
        for method in METHODS:
            logit = 3.0 if method == "Deepfakes" else -0.5
            clips.append((f"manipulated_sequences/{method}", f"{pair:03d}_{pair ^ 1:03d}", f"pair{pair // 2}", logit))
    videos = pd.DataFrame(clips, columns=["folder", "name", "group", "logit"])
    videos["label"] = videos["folder"].str.startswith("manipulated").astype(int)
    videos["logit"] += 0.15 * rng.normal(size=len(videos))
    rows = videos.loc[np.repeat(videos.index, frames)].reset_index(drop=True)
    place = rows["folder"] + "/c23/videos/" + rows["name"]
    return rows.assign(
        path=place + "/" + (rows.index % frames).astype(str) + ".png",
        dataset="faceforensics",
        method=rows["folder"].str.rpartition("/")[2].where(rows["label"] == 1, "real"),
        video="faceforensics/" + place + ".mp4",
        score=1 / (1 + np.exp(-rows["logit"] - 0.3 * rng.normal(size=len(rows)))),
        face_status="given",
    )


def test_one_folder_name_below_four_methods_is_four_videos() -> None:
    rows = _faceforensics()
    videos = to_videos(rows)
    assert len(videos) == 700
    assert videos["method"].value_counts().to_dict() == dict.fromkeys(("real", *METHODS), 140)
    assert (videos["frames"] == 10).all()
    auc = roc_auc_score(videos["label"], videos["score"])

    by_folder_name = rows.groupby(rows["path"].str.split("/").str[-2]).agg(
        label=("label", "max"), score=("score", "mean")
    )
    assert len(by_folder_name) == 280
    trap = roc_auc_score(by_folder_name["label"], by_folder_name["score"])
    assert trap > 0.99, "the data must be such that the trap would show"
    assert auc < 0.8


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("mean", lambda scores: np.mean(scores)),
        ("median", lambda scores: np.median(scores)),
        ("max", lambda scores: np.max(scores)),
        ("top-1", lambda scores: np.max(scores)),
        ("top-3", lambda scores: np.mean(np.sort(scores)[-3:])),
        ("top-1000", lambda scores: np.mean(scores)),
        ("trimmed", lambda scores: trim_mean(scores, 0.1)),
    ],
)
def test_frames_are_put_together_as_asked(how: str, expected: Callable[[list[float]], float]) -> None:
    rng = np.random.default_rng(1)
    videos = {f"v{frames}": list(np.round(rng.random(frames), 1)) for frames in (1, 2, 3, 9, 10, 11, 25)}
    rows = _frames(videos).sample(frac=1, random_state=0)
    found = to_videos(rows, how).set_index("path")
    assert found["frames"].to_dict() == {name: len(scores) for name, scores in videos.items()}
    for name, scores in videos.items():
        assert found["score"][name] == pytest.approx(expected(scores), abs=1e-12)


def test_an_image_without_a_video_stands_alone() -> None:
    rows = _frames({"v": [0.2, 0.4], None: [0.9, 0.1]})
    rows.loc[3, "path"] = "v"
    videos = to_videos(rows)
    assert videos["path"].tolist() == ["v", "f/002.png", "v"]
    assert videos["score"].tolist() == pytest.approx([0.3, 0.9, 0.1])
    assert videos["frames"].tolist() == [2, 1, 1]
    assert videos["group"].tolist() == ["v", "alone2", "alone3"]
    assert videos["compression"].tolist() == ["c23"] * 3


def test_unreadable_frames_count_in_no_score_and_no_video_vanishes() -> None:
    rows = _frames({"a": [0.2, 0.4], "b": [0.6], "c": [0.8]})
    rows.loc[[1, 2], "face_status"], rows.loc[[1, 2], "score"] = "unreadable", np.nan
    rows.index = pd.Index([0, 0, 1, 1])  # as after concatenation
    videos = to_videos(rows)
    assert videos["frames"].tolist() == [1, 0, 1]
    assert videos["score"].tolist() == pytest.approx([0.2, np.nan, 0.8], nan_ok=True)
    assert videos["face_status"].tolist() == ["given", "unreadable", "given"]


def test_videos_are_summarised_like_images() -> None:
    rows = _faceforensics(frames=3)
    entry = summarise(to_videos(rows), resamples=50)
    assert (entry["images"], entry["real"], entry["fake"], entry["groups"]) == (700, 140, 560, 70)
    assert entry["metrics"]["auc"]["low"] < entry["metrics"]["auc"]["value"] < entry["metrics"]["auc"]["high"]
    assert entry["metrics"]["tpr_at_fpr_1e-3"] == {"value": None, "low": None, "high": None}
    console = Console(file=io.StringIO(), width=120)
    console.print(table({"splits": {"test": entry}}))
    assert isinstance(console.file, io.StringIO)
    assert "TPR at 1 % FPR" in console.file.getvalue()


@pytest.mark.parametrize(
    ("column", "value"),
    [("label", 0), ("method", "FaceSwap"), ("dataset", "other"), ("group", "g"), ("compression", None)],
)
def test_frames_of_a_video_that_differ_are_refused(column: str, value: Any) -> None:
    rows = _frames({"a": [0.2, 0.4], "b": [0.6]})
    rows.loc[1, column] = value
    with pytest.raises(UserError, match=f"Video a has more than one {column}"):
        to_videos(rows)


@pytest.mark.parametrize(
    ("how", "hint"), [("meen", r"did you mean mean\?"), ("top-0", "did you mean top-3"), ("top3", "did you mean top-3")]
)
def test_an_unknown_way_is_refused(how: str, hint: str) -> None:
    with pytest.raises(UserError, match=f"pooling={how} is none of .*{hint}"):
        to_videos(_frames({"a": [0.2]}), how)


def test_missing_columns_are_named() -> None:
    rows = _frames({"a": [0.2]})
    with pytest.raises(UserError, match="lack the column video"):
        to_videos(rows.drop(columns="video"))
    with pytest.raises(UserError, match="lack the column score"):
        to_videos(rows.drop(columns="score"))
    assert to_videos(rows.drop(columns="compression")).columns.tolist() == [
        "label", "dataset", "method", "group", "path", "frames", "score", "face_status",
    ]  # fmt: skip
