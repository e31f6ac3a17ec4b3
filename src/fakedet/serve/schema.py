"""What the answers look like, for the OpenAPI document."""

from typing import Any, Literal

from pydantic import BaseModel, Field

Verdict = Literal["real", "uncertain", "fake"]


class Finding(BaseModel):
    """One face that was scored, or the whole picture."""

    box: tuple[float, float, float, float] | None = Field(
        description="left, top, right and bottom of the face in pixels of the upright picture; null for a whole picture"
    )
    face_score: float | None = Field(description="the finder's confidence, 0 to 1; null for a whole picture")
    region: list[tuple[float, float]] = Field(
        description="corners of the square that was judged, clockwise from its upper left one",
        min_length=4,
        max_length=4,
    )
    probability: float = Field(description="calibrated probability of a fake", ge=0, le=1)
    uncalibrated: float = Field(description="the network's own claim", ge=0, le=1)
    verdict: Verdict
    heatmap: str | None = Field(
        None,
        description="with explain: where the evidence for a fake lies in the region, an 8-bit grey PNG as data URI; "
        "null where the network has no map",
    )


class Prediction(BaseModel):
    """A picture and what is said of it: the verdict on its most suspicious face, or on the whole."""

    name: str = Field(description="`image 1` and so on, in the order of the form")
    status: Literal["scored", "no face", "unreadable"]
    verdict: Verdict | None = Field(description="null unless scored, but `uncertain` where the detector abstains")
    probability: float | None = Field(description="calibrated probability of a fake", ge=0, le=1)
    uncalibrated: float | None = Field(description="the network's own claim", ge=0, le=1)
    findings: list[Finding] = Field(description="what was scored, the most suspicious first")
    reasons: list[str] = Field(description="why there is no verdict, or what it means less for")
    width: int | None = Field(description="of the upright picture in pixels")
    height: int | None = Field(description="of the upright picture in pixels")
    milliseconds: dict[str, float] = Field(description="wall time by stage")

    model_config = {
        "json_schema_extra": {
            "examples": [
                {
                    "name": "image 1",
                    "status": "scored",
                    "verdict": "fake",
                    "probability": 0.93,
                    "uncalibrated": 0.99,
                    "findings": [
                        {
                            "box": [212.0, 96.5, 371.3, 304.8],
                            "face_score": 0.998,
                            "region": [[156.0, 65.0], [427.0, 65.0], [427.0, 336.0], [156.0, 336.0]],
                            "probability": 0.93,
                            "uncalibrated": 0.99,
                            "verdict": "fake",
                        }
                    ],
                    "reasons": [],
                    "width": 640,
                    "height": 480,
                    "milliseconds": {"decode": 2.1, "find": 41.7, "cut": 0.3, "network": 9.6},
                }
            ]
        }
    }


class Batch(BaseModel):
    """Several pictures, each answered."""

    results: list[Prediction] = Field(description="in the order of the form")


class Model(BaseModel):
    """The detector's card, with what the service adds."""

    model: str
    sha256: str | None = Field(description="of the file")
    engine: str
    labels: list[str]
    rule: str
    precision: str
    preprocess: dict[str, Any]
    decision: dict[str, Any]
    threshold: float = Field(description="on the calibrated probability: above it a picture is taken for a fake")
    protocol: str
    protocol_hash: str
    training: dict[str, Any]
    trained_on: dict[str, int] = Field(description="kind -> number of what it was trained on")
    licence: str
    limits: dict[str, float] = Field(description="what a request may have")


class State(BaseModel):
    """Whether the service lives, or is ready."""

    status: Literal["ok", "ready"]


class Problem(BaseModel):
    """What went wrong (RFC 9457); `code` never changes its meaning."""

    type: str
    title: str
    status: int
    code: str
    detail: str
