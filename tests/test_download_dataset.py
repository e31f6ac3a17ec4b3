"""The command that fetches data sets, against a server that stands on this machine; and what it says."""

import hashlib
import os
import re
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from omegaconf import DictConfig
from sites import Site

from fakedet.detector.spec import PreprocessSpec
from fakedet.instantiation import instantiate

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "download_dataset.sh"
NAMES = sorted(file.stem for file in (ROOT / "conf" / "data").glob("*.yaml"))
NOBODY = "http://127.0.0.1:9"
TRAIN = b'[["071", "054"], ["087", "081"]]'
LISTS = ("splits/train.json", "splits/val.json", "splits/test.json", "conversion_dict.json")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path / "site") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def run(*arguments: object, url: str | None = None, script: Path = SCRIPT) -> subprocess.CompletedProcess[str]:
    """Call the command from another folder, as a person may."""
    environment = {**os.environ, "no_proxy": "127.0.0.1"}
    environment.pop("FAKEDET_DATASETS_URL", None)
    if url:
        environment["FAKEDET_DATASETS_URL"] = url
    words = [str(script), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd="/", env=environment)


@pytest.fixture
def knowing(tmp_path: Path) -> Callable[..., Path]:
    """`knowing({path: content})`: the command in a checkout of its own, where these contents are the published ones."""

    def make(contents: dict[str, bytes]) -> Path:
        checkout = tmp_path / "checkout"
        (checkout / "scripts").mkdir(parents=True)
        for folder in ("conf", "src"):
            (checkout / folder).symlink_to(ROOT / folder)
        text = SCRIPT.read_text()
        for path, content in contents.items():
            text, changed = re.subn(
                rf"\b[0-9a-f]{{64}} {path} ", f"{hashlib.sha256(content).hexdigest()} {path} ", text
            )
            assert changed == 1, path
        copy = checkout / "scripts" / SCRIPT.name
        copy.write_text(text)
        shutil.copymode(SCRIPT, copy)
        return copy

    return make


@pytest.fixture
def lists(site: Site, knowing: Callable[..., Path]) -> tuple[Path, dict[str, bytes]]:
    """The command, and FaceForensics++'s lists as its site has them."""
    contents = dict(
        zip(LISTS, (TRAIN, b'[["720", "672"]]', b'[["953", "974"]]', b'{"071": "5IO7gc9JjII 0"}'), strict=True)
    )
    for path, content in contents.items():
        site.put(f"faceforensics/{path}", content)
    return knowing({path: contents[path] for path in LISTS[:3]}), contents


def files(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def test_fetches_once_and_notes_the_hashes(site: Site, lists: tuple[Path, dict[str, bytes]], tmp_path: Path) -> None:
    script, contents = lists
    folder = tmp_path / "ffpp with a space"
    done = run("faceforensics", folder, url=site.url, script=script)
    assert done.returncode == 0, done.stderr
    assert files(folder) == sorted([*LISTS, "SHA256SUMS"])
    assert {path: (folder / path).read_bytes() for path in LISTS} == contents
    sums = [f"{hashlib.sha256(contents[path]).hexdigest()}  {path}" for path in LISTS]
    assert (folder / "SHA256SUMS").read_text().splitlines() == sums
    again = run("faceforensics", folder, url=NOBODY, script=script)
    assert again.returncode == 0
    assert (folder / "SHA256SUMS").read_text().splitlines() == sums


def test_an_interrupted_download_goes_on(site: Site, lists: tuple[Path, dict[str, bytes]], tmp_path: Path) -> None:
    script, contents = lists
    site.cut = True
    broken = run("faceforensics", tmp_path / "ffpp", url=site.url, script=script)
    assert broken.returncode == 1
    assert broken.stderr.splitlines()[-1].endswith("run this again, it goes on where it stopped.")
    assert files(tmp_path / "ffpp") == ["splits/train.json.part"]
    assert (tmp_path / "ffpp/splits/train.json.part").read_bytes() == TRAIN[: len(TRAIN) // 2]
    site.cut = False
    done = run("faceforensics", tmp_path / "ffpp", url=site.url, script=script)
    assert done.returncode == 0, done.stderr
    assert site.ranges[:2] == [None, f"bytes={len(TRAIN) // 2}-"]
    assert {path: (tmp_path / "ffpp" / path).read_bytes() for path in LISTS} == contents


def test_a_server_that_cannot_go_on_starts_over(
    site: Site, lists: tuple[Path, dict[str, bytes]], tmp_path: Path
) -> None:
    script, contents = lists
    site.resumes = False
    part = tmp_path / "ffpp/splits/train.json.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(TRAIN[:5])
    done = run("faceforensics", tmp_path / "ffpp", url=site.url, script=script)
    assert done.returncode == 0, done.stderr
    assert site.ranges[:2] == ["bytes=5-", None]
    assert (tmp_path / "ffpp/splits/train.json").read_bytes() == contents["splits/train.json"]


def test_a_download_that_was_whole_before_its_name_was_given(
    site: Site, lists: tuple[Path, dict[str, bytes]], tmp_path: Path
) -> None:
    part = tmp_path / "ffpp/splits/train.json.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(TRAIN)
    done = run("faceforensics", tmp_path / "ffpp", url=site.url, script=lists[0])
    assert done.returncode == 0, done.stderr
    assert site.ranges[0] == f"bytes={len(TRAIN)}-"
    assert (tmp_path / "ffpp/splits/train.json").read_bytes() == TRAIN


def test_what_no_hash_can_prove_is_not_pieced_together(site: Site, tmp_path: Path) -> None:
    site.put("genimage/checksums.csv", b"md5Checksum,originalFilename\n")
    (tmp_path / "genimage").mkdir()
    (tmp_path / "genimage/checksums.csv.part").write_bytes(b"an older one")
    assert run("genimage", tmp_path / "genimage", url=site.url).returncode == 0
    assert (tmp_path / "genimage/checksums.csv").read_bytes() == b"md5Checksum,originalFilename\n"
    assert site.ranges == [None]


def test_another_file_than_the_published_one_is_not_kept(site: Site, tmp_path: Path) -> None:
    site.put("faceforensics/splits/train.json", TRAIN)
    done = run("faceforensics", tmp_path / "ffpp", url=site.url)
    assert done.returncode == 1
    assert f"{site.url}/faceforensics/splits/train.json is not kept, for it has another SHA-256" in done.stderr
    assert files(tmp_path / "ffpp") == []


def test_a_file_that_changed_is_noticed(site: Site, tmp_path: Path) -> None:
    folder, csv = tmp_path / "genimage", tmp_path / "genimage/checksums.csv"
    site.put("genimage/checksums.csv", b"first")
    assert run("genimage", folder, url=site.url).returncode == 0
    csv.write_bytes(b"changed")
    done = run("genimage", folder, url=site.url)
    assert (done.returncode, done.stderr) == (
        1,
        f"{csv} has another SHA-256 than it should: delete it and run this again.\n",
    )
    assert csv.read_bytes() == b"changed"
    csv.unlink()
    site.put("genimage/checksums.csv", b"second")
    assert "is not kept" in run("genimage", folder, url=site.url).stderr
    assert files(folder) == ["SHA256SUMS"]


@pytest.mark.parametrize("missing", ["network", "file", "folder"])
def test_no_download_says_what_to_do(missing: str, site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "ffpp"
    if missing == "folder":
        folder.write_text("a file where the folder should be")
    url = NOBODY if missing == "network" else site.url
    done = run("faceforensics", folder, url=url)
    address, target = f"{url}/faceforensics/splits/train.json", folder / "splits/train.json"
    sentence = {
        "network": f"There is no connection to {address}: run this again with a network, or fetch it elsewhere and "
        f"put it at {target}.",
        "file": f"{address} is not to be had (the server says 404): get it by way of "
        f"https://github.com/ondyari/FaceForensics and put it at {target}.",
        "folder": f"The folder {target.parent} cannot be made.",
    }[missing]
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, sentence)
    assert not folder.is_dir() or files(folder) == []


def archive(file: Path, content: Path, inside: str = "") -> bytes:
    with zipfile.ZipFile(file, "w") as packed:
        for path in files(content):
            packed.write(content / path, f"{inside}{path}")
    return file.read_bytes()


@pytest.fixture
def archives(site: Site, knowing: Callable[..., Path], make_folder: Callable[..., Path], tmp_path: Path) -> Path:
    """The command, and CNNDetection's archives: one as a folder of its own, one without."""
    for place in ("airplane", "train"):
        make_folder(tmp_path / "val" / place, groups=2, layout="0_real_1_fake")
    for place in ("biggan", "progan/car"):
        make_folder(tmp_path / "test" / place, groups=2, layout="0_real_1_fake")
    contents = {
        "progan_val.zip": archive(tmp_path / "val.zip", tmp_path / "val", "progan_val/"),
        "CNN_synth_testset.zip": archive(tmp_path / "test.zip", tmp_path / "test"),
    }
    for path, content in contents.items():
        site.put(f"cnndetection/{path}", content)
    return knowing(contents)


def test_archives_become_folders_that_can_be_read(
    site: Site, archives: Path, compose: Callable[..., DictConfig], tmp_path: Path
) -> None:
    folder = tmp_path / "cnndetection"
    done = run("cnndetection", folder, url=site.url, script=archives)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"Next: python src/train.py data=cnndetection data.root={folder}"
    data = instantiate(compose("train", "data=cnndetection", f"data.root={folder}").data, spec=PreprocessSpec())
    rows = data.scan_all(folder).rows
    assert dict(rows.value_counts(["split", "method"])) == {
        ("val", "real"): 4, ("val", "progan"): 4, ("test", "real"): 4, ("test", "progan"): 2, ("test", "biggan"): 2,
    }  # fmt: skip
    for packed in folder.glob("*.zip"):
        packed.unlink()
    before = files(folder)
    assert run("cnndetection", folder, url=NOBODY, script=archives).returncode == 0
    assert files(folder) == before


def test_a_broken_archive_leaves_no_folder(site: Site, knowing: Callable[..., Path], tmp_path: Path) -> None:
    site.put("cnndetection/progan_val.zip", b"PK no archive")
    script = knowing({"progan_val.zip": b"PK no archive"})
    done = run("cnndetection", tmp_path / "set", url=site.url, script=script)
    assert done.returncode == 1
    assert "progan_val.zip cannot be unpacked" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "set/val").exists()


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]], ids=["none", "-h", "--help"])
def test_help_lists_all_sets(arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    listed = re.findall(r"^  (\w+) +\S", done.stdout, re.MULTILINE)
    assert set(NAMES) <= set(listed)


def test_an_unknown_name_is_refused() -> None:
    done = run("celebdf dfdc", "/nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"There is no data set celebdf dfdc; choose from \w+(, \w+)+\.\n", done.stderr)
    assert set(NAMES) <= set(re.findall(r"\w+", done.stderr))


def test_one_folder_at_a_time() -> None:
    done = run("celebdf", "/one", "/two")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_a_set_behind_a_form_is_explained(tmp_path: Path) -> None:
    folder = tmp_path / "celebdf"
    done = run("celebdf", folder, url=NOBODY)
    assert (done.returncode, done.stderr) == (0, "")
    assert not folder.exists()
    assert f"Unpack the archive into {folder}." in done.stdout
    prepare = f"Next: python src/prepare.py data=celebdf data.raw={folder} data.root={folder}-faces"
    assert done.stdout.splitlines()[-1] == prepare
