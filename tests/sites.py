"""A server for tests: a folder that is served, as well or as badly as a test wants."""

import http.server
import re
from pathlib import Path


class Site(http.server.ThreadingHTTPServer):
    """A folder that is served; `cut` breaks answers off in the middle, `ranges` holds what was asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.cut = False
        self.resumes = True
        self.ranges: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def put(self, path: str, content: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


class Handler(http.server.BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.server.ranges.append(wanted)
        file = self.server.folder / self.path.lstrip("/")
        if not file.is_file():
            self.send_error(404)
            return
        content = file.read_bytes()
        start = int(re.sub(r"\D", "", wanted)) if wanted and self.server.resumes else 0
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : len(content) // 2 if self.server.cut else None])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass
