"""A picture or video fetched from a stranger's server: over HTTP alone, bounded in size and time."""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterator
from typing import BinaryIO

from fakedet.errors import UserError

SCHEMES = ("http", "https")
_REDIRECTS = 5
_SILENCE = 10.0  # seconds that a server may keep still
_LOOK = 0.2  # seconds between two looks at whether it is to stop
_BLOCK = 1 << 16
_LATE = "it takes too long"
_HEADERS = {"User-Agent": "fakedet", "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"}


class DownloadError(UserError):
    """The address gives nothing that can be judged; the text says why."""


def is_url(text: str) -> bool:
    """Whether a text is an address rather than a path: it begins with a scheme."""
    scheme, colon, _ = text.partition("://")
    return bool(colon) and scheme.isalnum()


def download(
    url: str,
    stream: BinaryIO,
    most: int,
    seconds: float,
    *,
    allow_private: bool = False,
    stop: threading.Event | None = None,
) -> None:
    """Write what an address answers into a stream.

    Redirects are followed, five at most, never from https to http. Every host on the way is looked up once, each
    address of it is checked, and the connection goes to a checked one: a name that means another address the
    next moment changes nothing. Proxies of the environment are not used.

    Args:
        url: with http or https.
        stream: is written to; may hold a part when this fails.
        most: bytes that are taken.
        seconds: that it may take in all.
        allow_private: whether hosts of the own machine and network are asked too.
        stop: gives up when it is set.

    Raises:
        DownloadError: for another scheme, a host that is unknown or private, an answer other than 200, one that is
            too large, too slow or breaks off.
    """
    deadline, stop = time.monotonic() + seconds, stop or threading.Event()
    for _ in range(_REDIRECTS + 1):
        with _answer(url, deadline, allow_private, stop) as answer:
            target = answer.getheader("Location")
            if answer.status in (301, 302, 303, 307, 308) and target is not None:
                url = _redirected(url, target)
                continue
            if answer.status != http.client.OK:
                raise DownloadError(f"cannot be downloaded: the server answers {answer.status}")
            _copy(answer, stream, most)
            return
    raise DownloadError(f"cannot be downloaded: it is redirected more than {_REDIRECTS} times")


def _redirected(url: str, target: str) -> str:
    joined = urllib.parse.urljoin(url, target)
    before, now = (urllib.parse.urlsplit(address).scheme for address in (url, joined))
    if now not in SCHEMES or (before, now) == ("https", "http"):
        raise DownloadError(f"cannot be downloaded: it is redirected from {before} to {now[:20] or 'nowhere'}")
    return joined


@contextlib.contextmanager
def _answer(
    url: str, deadline: float, allow_private: bool, stop: threading.Event
) -> Iterator[http.client.HTTPResponse]:
    scheme, host, port, path = _parts(url)
    kind = _Https if scheme == "https" else _Http
    try:
        connection = kind(host, port or kind.default_port)  # without a port it would look for one in an IPv6 address
    except http.client.HTTPException as error:
        raise DownloadError("is no address") from error
    late, over = threading.Event(), threading.Event()
    connection.allow_private, connection.late = allow_private, late

    def watch() -> None:
        while time.monotonic() < deadline and not stop.is_set():
            if over.wait(min(_LOOK, max(0.0, deadline - time.monotonic()))):
                return
        late.set()
        connection.hang_up()

    threading.Thread(target=watch, daemon=True).start()
    try:
        connection.connect()
        if not late.is_set():
            connection.request("GET", path, headers=_HEADERS)
            yield connection.getresponse()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DownloadError(f"cannot be downloaded: {_LATE if late.is_set() else _reason(error)}") from error
    else:
        if late.is_set():
            raise DownloadError(f"cannot be downloaded: {_LATE}")
    finally:
        over.set()
        connection.close()


def _parts(url: str) -> tuple[str, str, int | None, str]:
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise DownloadError("is no address") from error
    if parts.scheme not in SCHEMES:
        raise DownloadError(f"has the scheme {parts.scheme[:20]}, only {' and '.join(SCHEMES)} are downloaded")
    if not host:
        raise DownloadError("names no host")
    if parts.username is not None:
        raise DownloadError("carries a name or password, and those are not sent")
    query = f"?{parts.query}" if parts.query else ""
    # What stands in an address as it is is percent-encoded; what already is stays.
    return parts.scheme, host, port, urllib.parse.quote((parts.path or "/") + query, safe="/?&=+,;:@!$'()*~%-._[]")


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "the server does not answer"
    if isinstance(error, socket.gaierror):
        return "its host is not known"
    if isinstance(error, ssl.SSLError):
        return "its certificate is not trusted"
    if isinstance(error, OSError):
        return "the connection fails"
    return "the answer is broken or breaks off"


def _copy(answer: http.client.HTTPResponse, stream: BinaryIO, most: int) -> None:
    expected = answer.length
    if (expected or 0) > most:
        raise DownloadError(f"cannot be downloaded: it is larger than {most >> 20} MiB")
    taken = 0
    while block := answer.read1(_BLOCK):
        taken += len(block)
        if taken > most:
            raise DownloadError(f"cannot be downloaded: it is larger than {most >> 20} MiB")
        stream.write(block)
    if expected is not None and taken < expected:
        raise http.client.IncompleteRead(b"", expected - taken)


def _connected(host: str, port: int, allow_private: bool, late: threading.Event) -> socket.socket:
    """A connection to the first address that takes it, once every one is checked; until it is too late for another."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if not allow_private and not all(_is_public(str(entry[4][0])) for entry in found):
        raise DownloadError("cannot be downloaded: its host lies in a private network; --allow-private asks it anyway")
    failure: OSError | None = None
    for family, kind, protocol, _, address in found:
        if late.is_set():
            break
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(_SILENCE)
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure or OSError("no address")


def _is_public(address: str) -> bool:
    """Whether an address belongs to the internet, and not to this machine, its network or a cloud's own services."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo[1] if parsed.teredo else None)
        if any(parsed in network for network in _NOT_PUBLIC):
            return False
        if parsed in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        parsed = inner or parsed
    return parsed.is_global and not parsed.is_multicast


_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")  # IPv4 behind a translator (RFC 6052)
# Networks that Python takes for public: a local translator's (RFC 8215), former site-local and IPv4-compatible ones.
_NOT_PUBLIC = [ipaddress.IPv6Network(network) for network in ("64:ff9b:1::/48", "fec0::/10", "::/96")]


class _Http(http.client.HTTPConnection):
    """Connects to checked addresses alone, and can be hung up from another thread."""

    allow_private = False
    late: threading.Event
    _line: socket.socket | None = None  # what `sock` is, also once the answer has taken it over

    def connect(self) -> None:
        self.sock = self._line = _connected(self.host, self.port, self.allow_private, self.late)

    def hang_up(self) -> None:
        """Wake the thread that reads: a server that sends a byte now and then is never silent for long."""
        if self._line is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._line, socket.SHUT_RDWR)


class _Https(_Http):
    default_port = http.client.HTTPS_PORT

    def connect(self) -> None:
        super().connect()
        context = ssl.create_default_context()
        wrapped = context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
        self.sock = self._line = wrapped
        wrapped.do_handshake()
