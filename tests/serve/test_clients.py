import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from services import OWN_ENTRY, Server, serving

Encode = Callable[..., bytes]


@pytest.fixture(scope="module")
def narrow(detector_file: Path) -> Iterator[Server]:
    """One thread, and one place in the queue."""
    with serving(detector_file, threads=1, queue=1) as server:
        yield server


def _connect(server: Server, text: bytes) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    line.sendall(text)
    return line


def _request(server: Server, data: bytes) -> bytes:
    """A request for a verdict as it goes over the line."""
    request = httpx.Request("POST", server.url + "/predict", files={"image": ("x", data)})
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    return f"POST /predict HTTP/1.1\r\n{head}\r\n".encode() + request.read()


def test_two_hundred_slow_clients_hold_nobody_up(service: Server, encoded: Encode) -> None:
    beginning = _request(service, encoded("PNG"))[:-1000]
    before = service.forget_peak()
    start = time.monotonic()
    lines = [_connect(service, beginning if number % 2 else beginning[:50]) for number in range(200)]
    try:
        seconds = []
        for _ in range(5):
            start_one = time.perf_counter()
            assert service.get("/health").status_code == 200
            seconds.append(time.perf_counter() - start_one)
            assert service.post(encoded("PNG")).status_code == 200
        assert min(seconds) < 0.1
        assert time.monotonic() - start < 3, "the machine was too slow for this to say anything"
        for line in lines[1::2]:
            answer = line.recv(10_000)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b"connection: close" in answer
        assert service.memory() - before < 50 * 1024
    finally:
        for line in lines:
            line.close()


def test_the_own_entry_closes_lines_that_never_send_headers(detector_file: Path, encoded: Encode) -> None:
    with serving(detector_file, OWN_ENTRY, receive_seconds=1) as server:
        silent, started = _connect(server, b""), _connect(server, b"POST /predict HTTP/1.1\r\nHost:")
        response = server.post(encoded("PNG"))
        assert response.status_code == 200
        assert "server" not in response.headers
        assert (silent.recv(10), started.recv(10)) == (b"", b"")


def _answer(line: socket.socket) -> bytes:
    """Head and body of an answer in JSON."""
    found = b""
    while not found.endswith(b"}"):
        found += line.recv(10_000)
    return found


def test_a_second_request_must_come_as_fast_as_the_first(detector_file: Path) -> None:
    with serving(detector_file, OWN_ENTRY, receive_seconds=1) as server:
        ask = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
        line = _connect(server, ask)
        assert _answer(line).startswith(b"HTTP/1.1 200")
        line.sendall(b"G")  # stops uvicorn's own clock
        assert line.recv(10) == b""
        line = _connect(server, ask)
        for _ in range(3):
            assert _answer(line).startswith(b"HTTP/1.1 200")
            time.sleep(0.6)
            line.sendall(ask)
        assert _answer(line).startswith(b"HTTP/1.1 200")


def test_a_full_queue_answers_at_once_and_health_does_not_wait(narrow: Server, slow_picture: bytes) -> None:
    narrow.post(slow_picture)
    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(narrow.post, slow_picture) for _ in range(6)]
        narrow.wait_for("fakedet_taken", 2)
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            assert narrow.get("/health").status_code == 200
            seconds.append(time.perf_counter() - start)
        responses = [future.result() for future in waiting]
    assert sorted(response.status_code for response in responses)[:2] == [200, 200]
    refused = [response for response in responses if response.status_code != 200]
    assert refused
    for response in refused:
        assert (response.status_code, response.json()["code"]) == (503, "busy")
        assert int(response.headers["retry-after"]) > 0
    assert sorted(seconds)[2] < 0.1


def test_what_nobody_waits_for_is_not_judged(narrow: Server, slow_picture: bytes, encoded: Encode) -> None:
    judged = 'fakedet_stage_seconds_count{stage="decode"}'
    gone = 'fakedet_requests_total{method="POST",path="/predict",status="499"}'
    before, gone_before = narrow.metric(judged), narrow.metric(gone)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(narrow.post, slow_picture)
        narrow.wait_for("fakedet_taken", 1)
        line = _connect(narrow, _request(narrow, slow_picture))
        narrow.wait_for("fakedet_taken", 2)
        line.close()
        narrow.wait_for(gone, gone_before + 1)
        assert narrow.metric("fakedet_taken") <= 1
        assert first.result().status_code == 200
    assert narrow.post(encoded("PNG")).status_code == 200
    assert narrow.metric(judged) - before == 2
    assert narrow.metric("fakedet_taken") == 0


def test_a_client_that_goes_away_while_sending_leaves_nothing(narrow: Server, encoded: Encode) -> None:
    for _ in range(20):
        _connect(narrow, _request(narrow, encoded("PNG"))[:-500]).close()
    assert narrow.post(encoded("PNG")).status_code == 200
    assert "Traceback" not in narrow.log()
    assert "failed with" not in narrow.log()


def test_stopping_finishes_what_was_taken(detector_file: Path, slow_picture: bytes) -> None:
    with serving(detector_file, threads=1) as server, ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(server.post, slow_picture) for _ in range(2)]
        server.wait_for("fakedet_taken", 2)
        server.process.send_signal(signal.SIGTERM)
        assert [future.result().status_code for future in waiting] == [200, 200]
        assert server.process.wait(20) in (0, -signal.SIGTERM)
        with pytest.raises(httpx.ConnectError):
            server.get("/health")


def test_all_bodies_together_have_a_limit(detector_file: Path, encoded: Encode) -> None:
    data = encoded("BMP")
    with serving(detector_file, max_buffered_bytes=2 * len(data)) as server:
        held = [_connect(server, _request(server, data)[:-10]) for _ in range(2)]
        time.sleep(0.3)
        response = server.post(data)
        assert (response.status_code, response.json()["code"]) == (503, "busy")
        for line in held:
            line.close()
        time.sleep(0.3)
        assert server.post(data).status_code == 200


def test_many_at_once_are_all_answered_alike(service: Server, encoded: Encode) -> None:
    pictures = [encoded("JPEG", quality=quality) for quality in range(20, 80, 10)]
    expected = [service.post(data).json()["probability"] for data in pictures]
    found: dict[int, list[float]] = {}

    def ask(number: int) -> None:
        found[number] = [service.post(data).json()["probability"] for data in pictures]

    threads = [threading.Thread(target=ask, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(values == pytest.approx(expected, abs=1e-6) for values in found.values())
