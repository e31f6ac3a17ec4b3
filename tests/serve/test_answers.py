import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from services import Server, heatmap_of

from fakedet import Detector

Encode = Callable[..., bytes]


def _without_times(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "milliseconds"}


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_the_service_says_what_the_detector_says(
    service: Server, detector_file: Path, encoded: Encode, file_format: str
) -> None:
    data = encoded(file_format)
    response = service.post(data)
    assert response.status_code == 200
    answer, expected = response.json(), Detector.load(detector_file, threads=1).predict(data).to_json()
    assert answer["probability"] == pytest.approx(expected["probability"], abs=1e-6)
    assert answer["verdict"] == expected["verdict"]
    assert set(answer) == set(expected)
    assert answer["findings"][0].keys() == expected["findings"][0].keys()
    assert (answer["width"], answer["height"]) == (90, 70)


@pytest.mark.parametrize("place", ["form", "address"])
def test_explained_answers_carry_the_detectors_heatmap(
    service: Server, detector_file: Path, encoded: Encode, place: str
) -> None:
    data = encoded("PNG")
    response = service.post(data, explain="true") if place == "form" else service.post(data, "/predict?explain=true")
    shown = heatmap_of(response.json()["findings"][0]["heatmap"])
    heatmap = Detector.load(detector_file, threads=1).predict(data, explain=True).findings[0].heatmap
    assert heatmap is not None
    assert shown.shape == heatmap.shape
    assert np.abs(shown / 255 - heatmap).max() < 0.003
    assert shown.max() == 255
    assert "heatmap" not in service.post(data, explain="false").json()["findings"][0]


def test_a_batch_answers_each_picture_like_a_single_one(service: Server, encoded: Encode) -> None:
    pictures = [encoded("PNG"), b"no picture", encoded("JPEG", quality=30)]
    response = service.client.post("/predict/batch", files=[("images", ("x", data)) for data in pictures])
    assert response.status_code == 200
    results = response.json()["results"]
    assert [result["name"] for result in results] == ["image 1", "image 2", "image 3"]
    assert [result["status"] for result in results] == ["scored", "unreadable", "scored"]
    assert results[1]["reasons"] == ["is no JPEG, PNG, WEBP, BMP or TIFF picture"]
    for place in (0, 2):
        single = _without_times(service.post(pictures[place]).json())
        assert _without_times(results[place]) == {**single, "name": f"image {place + 1}"}


def test_batches_have_a_limit(service: Server, encoded: Encode) -> None:
    most = service.get("/model").json()["limits"]["pictures"]
    files = [("images", ("x", encoded("JPEG")))] * most
    assert service.client.post("/predict/batch", files=files).status_code == 200
    refused = service.client.post("/predict/batch", files=files + files[:1])
    assert (refused.status_code, refused.json()["code"]) == (413, "too-many-images")


def test_a_turned_photograph_gets_the_verdict_of_the_upright_one(service: Server, encoded: Encode) -> None:
    upright = Image.open(io.BytesIO(encoded("PNG")))
    expected = service.post(encoded("PNG")).json()
    back = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    for orientation, turn in back.items():
        stream, exif = io.BytesIO(), Image.Exif()
        exif[0x0112] = orientation
        upright.transpose(turn).save(stream, "PNG", exif=exif)
        answer = service.post(stream.getvalue()).json()
        assert answer["probability"] == pytest.approx(expected["probability"], abs=1e-6)
        assert (answer["width"], answer["height"]) == (90, 70)


def test_the_model_tells_of_itself(service: Server, detector_file: Path) -> None:
    told, detector = service.get("/model").json(), Detector.load(detector_file)
    card = detector.card.to_json()
    assert told["sha256"] == detector.sha256
    assert told["threshold"] == card["decision"]["threshold"]
    assert {name: told[name] for name in card if name != "trained_on"} == {
        name: card[name] for name in card if name != "trained_on"
    }
    assert all(isinstance(count, int) for count in told["trained_on"].values())
    assert told["limits"] == {"bytes": 3_000_000, "pixels": 50_000_000, "pictures": 16, "seconds": 3.0}


def test_health_and_readiness(service: Server) -> None:
    assert service.get("/health").json() == {"status": "ok"}
    assert service.get("/ready").json() == {"status": "ready"}


def test_metrics_count_requests_verdicts_and_stages(service: Server, encoded: Encode) -> None:
    names = [
        'fakedet_requests_total{method="POST",path="/predict",status="200"}',
        'fakedet_stage_seconds_count{stage="network"}',
    ]
    before = [service.metric(name) for name in names]
    verdict = service.post(encoded("PNG")).json()["verdict"]
    assert [service.metric(name) for name in names] == [count + 1 for count in before]
    assert service.metric(f'fakedet_verdicts_total{{verdict="{verdict}"}}') >= 1
    assert service.metric("fakedet_ready") == 1
    for broken in (b"a text", encoded("PNG")[:200]):
        count = service.metric('fakedet_verdicts_total{verdict="unreadable"}')
        assert service.post(broken).status_code == 422
        assert service.metric('fakedet_verdicts_total{verdict="unreadable"}') == count + 1
    service.get("/a/client's/own/words")
    assert "own" not in service.get("/metrics").text


def test_the_page_and_its_parts_are_served_under_a_strict_policy(service: Server) -> None:
    page = service.get("/")
    assert page.headers["content-type"].startswith("text/html")
    parts = re.findall(r'(?:src|href)="(static/[^"]+)"', page.text)
    assert parts
    for address in ["/", *(f"/{part}" for part in parts)]:
        response = service.get(address)
        assert response.status_code == 200
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
    assert service.get("/static/../app.py").status_code == 404
    assert service.get("/static/%2e%2e/app.py").status_code == 404


@pytest.mark.parametrize(
    ("method", "address", "status", "code"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/docs", 404, "not-found"),
        ("GET", "/static/nothing.js", 404, "not-found"),
        ("POST", "/predict/", 404, "not-found"),
        ("GET", "/predict", 405, "method-not-allowed"),
        ("BREW", "/model", 405, "method-not-allowed"),
        ("POST", "/predict", 415, "not-a-form"),
        ("POST", "/predict?explain=perhaps", 422, "bad-parameter"),
        ("POST", "/predict?explian=true", 422, "bad-parameter"),
    ],
)
def test_errors_are_problems_with_a_code(service: Server, method: str, address: str, status: int, code: str) -> None:
    response = service.client.request(method, address)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["code"], problem["status"]) == (code, status)
    assert problem["title"]
    assert problem["detail"]


def test_the_document_describes_every_address_with_examples(service: Server) -> None:
    document = service.get("/openapi.json").json()
    assert set(document["paths"]) == {"/predict", "/predict/batch", "/model", "/metrics", "/health", "/ready"}
    predict = document["paths"]["/predict"]["post"]
    assert predict["requestBody"]["content"]["multipart/form-data"]["example"]
    assert document["components"]["schemas"]["Prediction"]["examples"][0]["verdict"] == "fake"
    examples = predict["responses"]["413"]["content"]["application/problem+json"]["examples"]
    assert set(examples) == {"too-many-bytes", "too-many-images", "too-many-pixels"}
    assert "security" not in predict


@pytest.mark.parametrize("charset", ["undefined", "punycode", "nonsense"])
def test_a_charset_that_knows_no_text_is_the_clients_fault(service: Server, charset: str) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="explain"\r\n\r\n\xfc\r\n--b--\r\n'
    kind = {"Content-Type": f"multipart/form-data; boundary=b; charset={charset}"}
    response = service.client.post("/predict", content=body, headers=kind)
    assert 400 <= response.status_code < 500
    assert response.headers["content-type"] == "application/problem+json"
