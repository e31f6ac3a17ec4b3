"""Addresses are asked over HTTP alone, within limits, and never behind the firewall; against a real local server."""

import contextlib
import http.server
import io
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakedet.detector import download as module
from fakedet.detector.download import DownloadError, download, is_url

CONTENT = bytes(range(256)) * 400


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    asked: list[str]


class _Handler(http.server.BaseHTTPRequestHandler):
    """The path says how to answer."""

    server: _Server

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.headers['Host']} {self.path}")
        answer = getattr(self, f"_{self.path.split('/')[1].split('?')[0]}", None)
        if answer is None:
            self.send_error(404)
        else:
            answer()

    def _whole(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def _cut(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000])

    def _endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(CONTENT)

    def _drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(600):
                self.wfile.write(b"x")
                time.sleep(0.05)

    def _headers(self) -> None:
        with contextlib.suppress(OSError):
            for _ in range(600):
                self.wfile.write(b"H")
                time.sleep(0.05)

    def _broken(self) -> None:
        self.wfile.write(b"\x00\x01 no HTTP\r\n\r\n")

    def _to(self) -> None:
        self.send_response(302)
        self.send_header("Location", self.path.removeprefix("/to/"))
        self.end_headers()

    def _round(self) -> None:
        self.send_response(301)
        self.send_header("Location", "/round")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Handler) as running:
        running.asked = []
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def _get(url: str, most: int = 1 << 20, seconds: float = 20, allow_private: bool = True) -> bytes:
    stream = io.BytesIO()
    download(url, stream, most, seconds, allow_private=allow_private)
    return stream.getvalue()


def _url(server: _Server, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}/{path}"


def test_what_a_server_answers_is_what_is_written(server: _Server) -> None:
    assert _get(_url(server, "whole")) == CONTENT
    assert _get(_url(server, "to//whole")) == CONTENT


def test_what_an_address_holds_is_asked_for_as_it_stands(server: _Server) -> None:
    _get(_url(server, "whole/a%20b c/ü?x=1&y=%2F#part"))
    assert server.asked[-1] == f"127.0.0.1:{server.server_port} /whole/a%20b%20c/%C3%BC?x=1&y=%2F"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing", "answers 404"),
        ("cut", "breaks off"),
        ("endless", "larger than 1 MiB"),
        ("broken", "broken"),
        ("round", "redirected more than 5 times"),
        ("to/file:///etc/passwd", "redirected from http to file"),
        ("to/ftp://127.0.0.1/x", "redirected from http to ftp"),
    ],
)
def test_bad_answers_are_clauses(server: _Server, path: str, reason: str) -> None:
    with pytest.raises(DownloadError, match=reason):
        _get(_url(server, path))


def test_a_length_that_is_too_large_is_believed_before_anything_is_read(server: _Server) -> None:
    with pytest.raises(DownloadError, match="larger than"):
        _get(_url(server, "whole"), most=1000)


@pytest.mark.parametrize("path", ["drip", "headers"])
def test_a_server_that_sends_a_byte_now_and_then_is_left(server: _Server, path: str) -> None:
    start = time.monotonic()
    with pytest.raises(DownloadError, match="takes too long"):
        _get(_url(server, path), seconds=0.5)
    assert time.monotonic() - start < 5


def test_a_download_can_be_broken_off(server: _Server) -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    start = time.monotonic()
    with pytest.raises(DownloadError):
        download(_url(server, "drip"), io.BytesIO(), 1 << 20, 60, allow_private=True, stop=stop)
    assert time.monotonic() - start < 5


def test_a_redirect_from_https_to_http_is_refused() -> None:
    with pytest.raises(DownloadError, match="redirected from https to http"):
        module._redirected("https://example.org/a", "http://example.org/a")
    assert module._redirected("http://example.org/a", "//example.com/b") == "http://example.com/b"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0.0.0.0", "169.254.169.254",
     "10.1.2.3", "192.168.0.1", "[fd00::1]", "[fe80::1]", "100.64.0.1", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
     "[64:ff9b:1::7f00:1]", "[fec0::1]", "[::7f00:1]"],
)  # fmt: skip
def test_private_hosts_are_not_asked(server: _Server, host: str) -> None:
    before = len(server.asked)
    with pytest.raises(DownloadError, match="private network"):
        _get(f"http://{host}:{server.server_port}/whole", allow_private=False)
    assert len(server.asked) == before


def test_public_addresses_are_public() -> None:
    assert all(map(module._is_public, ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "1.1.1.1"]))
    assert not module._is_public("224.0.0.1")


def test_every_host_on_the_way_is_checked(server: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_is_public", lambda address: address == "127.0.0.1")
    assert _get(_url(server, "whole"), allow_private=False) == CONTENT
    with pytest.raises(DownloadError, match="private network"):
        _get(_url(server, f"to/http://127.0.0.2:{server.server_port}/whole"), allow_private=False)
    assert not [line for line in server.asked if line.startswith("127.0.0.2")]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.org/x", "the scheme ftp"),
        ("file:///etc/passwd", "the scheme file"),
        ("http:///x", "no host"),
        ("http://user:secret@example.org/", "name or password"),
        ("http://[::1/x", "no address"),
        ("http://example.org:99999/x", "no address"),
        ("http://exa mple.org/x", "no address"),
        ("http://[fd00::abcd]/x", "private network"),
        ("http://[fd00::1111]/x", "private network"),
        ("http://nowhere.invalid/x", "host is not known"),
    ],
)
def test_addresses_that_are_none(url: str, reason: str) -> None:
    assert is_url(url)
    with pytest.raises(DownloadError, match=reason) as caught:
        _get(url, allow_private=False)
    assert "secret" not in str(caught.value)


def test_nobody_there(server: _Server) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match="connection fails"):
        _get(f"http://127.0.0.1:{port}/x")


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    import ssl

    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-keyout", tmp_path / "key.pem", "-out", tmp_path / "certificate.pem"],
        capture_output=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    with _Server(("127.0.0.1", 0), _Handler) as running:
        running.asked = []
        running.socket = context.wrap_socket(running.socket, server_side=True)
        threading.Thread(target=running.serve_forever, daemon=True).start()
        with pytest.raises(DownloadError, match="certificate is not trusted"):
            _get(f"https://localhost:{running.server_port}/whole")
        running.shutdown()
        assert running.asked == []


def test_paths_are_no_addresses() -> None:
    assert not any(map(is_url, ["photos/a.jpg", "C:\\x.jpg", "a b://c", "://x", "/http://x"]))


def test_a_host_of_many_silent_addresses_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))  # takes connections and accepts none, once its queue is full
    silent.listen(0)
    waiting = [socket.socket() for _ in range(4)]
    for line in waiting:
        line.setblocking(False)
        line.connect_ex(silent.getsockname())
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", silent.getsockname())] * 100
    monkeypatch.setattr(module.socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(module, "_SILENCE", 0.3)
    start = time.monotonic()
    with pytest.raises(DownloadError, match=r"takes too long|does not answer"):
        _get("http://many.example/x", seconds=1)
    assert time.monotonic() - start < 5
    for line in (*waiting, silent):
        line.close()
