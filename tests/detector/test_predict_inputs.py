"""What files, folders, patterns and lists of addresses are taken for, and where their results may lie."""

import os
from pathlib import Path, PurePosixPath

import pytest

from fakedet.detector.inputs import Item, find, places
from fakedet.errors import UserError


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`photos` with pictures, a video, and what is neither; the tests run in its parent."""
    for name in ("b.jpg", "a.PNG", "deep/er/c.webp", "deep/clip.mp4", "notes.txt", ".hidden.jpg", ".cache/d.jpg"):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _names(*inputs: str, urls: Path | None = None) -> list[str]:
    return [item.name for item in find(inputs, urls).items]


def test_a_folder_gives_all_below_it_in_order_and_counts_the_rest(tree: Path) -> None:
    found = find(["photos"])
    wanted = ["photos/a.PNG", "photos/b.jpg", "photos/deep/clip.mp4", "photos/deep/er/c.webp"]
    assert [item.name for item in found.items] == wanted
    assert dict(found.left_out) == {".txt": 1, ".jpg": 1}
    assert [item.is_video for item in found.items] == [False, False, True, False]


def test_patterns_match_files_and_any_depth(tree: Path) -> None:
    assert _names("photos/*.jpg") == ["photos/b.jpg"]
    assert _names("photos/**/*.webp") == ["photos/deep/er/c.webp"]
    assert _names(str(tree / "photos" / "?.jpg")) == [str(tree / "photos" / "b.jpg")]
    assert _names("photos/d*") == ["photos/deep/clip.mp4", "photos/deep/er/c.webp"]


def test_a_file_that_is_named_like_a_pattern_is_the_file(tree: Path) -> None:
    Path("photos/[b].jpg").touch()
    assert _names("photos/[b].jpg") == ["photos/[b].jpg"]


def test_each_file_is_judged_once(tree: Path) -> None:
    assert _names("photos/b.jpg", "./photos/b.jpg", "photos/*.jpg", str(tree / "photos/b.jpg")) == ["photos/b.jpg"]


def test_a_named_file_is_taken_whatever_its_suffix(tree: Path) -> None:
    assert _names("photos/notes.txt") == ["photos/notes.txt"]


def test_heatmaps_of_an_earlier_run_are_not_judged_unless_named(tree: Path) -> None:
    (tree / "photos" / "b.jpg.heatmap.jpg").touch()
    assert len(_names("photos")) == 4
    assert find(["photos"]).left_out[".heatmap.jpg"] == 1
    assert _names("photos/**/*.jpg") == ["photos/b.jpg"]
    assert _names("photos/b.jpg.heatmap.jpg") == ["photos/b.jpg.heatmap.jpg"]


def test_links_to_folders_are_not_followed_but_those_to_files_are(tree: Path) -> None:
    (tree / "photos" / "loop").symlink_to(tree / "photos")
    (tree / "photos" / "link.jpg").symlink_to(tree / "photos" / "b.jpg")
    (tree / "photos" / "lost.jpg").symlink_to(tree / "nowhere")
    names = _names("photos")
    assert "photos/link.jpg" in names
    assert "photos/lost.jpg" in names  # told as unreadable, and not left out in silence
    assert not [name for name in names if "loop" in name]


def test_pipes_and_devices_are_never_opened(tree: Path) -> None:
    os.mkfifo("photos/pipe.jpg")
    assert "photos/pipe.jpg" not in _names("photos")
    with pytest.raises(UserError, match="no file and no folder"):
        find(["photos/pipe.jpg"])
    with pytest.raises(UserError, match="no file and no folder"):
        find(["/dev/zero"])


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("nowhere.jpg", "nowhere.jpg does not exist"),
        ("photos/*.tiff", "matches no file"),
        ("photos/no\x1b]0;thing", r"no\\x1b\]0;thing does not exist"),
        ("a" * 5000, "does not exist"),
        ("empty", "no picture or video in empty"),
    ],
)
def test_what_is_not_there_is_said_at_the_door(tree: Path, wrong: str, sentence: str) -> None:
    (tree / "empty").mkdir()
    with pytest.raises(UserError, match=sentence):
        find([wrong])


def test_a_list_holds_addresses_and_paths(tree: Path) -> None:
    listed = tree / "list.txt"
    text = "\ufeff# of the day\nhttps://example.org/a/x.jpg?size=1\n\n  photos/b.jpg \nphotos/gone.jpg\nphotos/deep\n"
    listed.write_text(text, encoding="utf-8")
    assert _names(urls=listed) == [
        "https://example.org/a/x.jpg?size=1",
        "photos/b.jpg",
        "photos/gone.jpg",
        "photos/deep/clip.mp4",
        "photos/deep/er/c.webp",
    ]
    video = find(["http://example.org/a/clip.MP4?x=y.jpg"]).items[0]
    assert video.is_url
    assert video.is_video


def test_a_list_that_is_none_is_refused(tree: Path) -> None:
    for content, sentence in ((b"\n# nothing\n", "no line"), (b"\xff\xfe\x00", "no text in UTF-8")):
        (tree / "list.txt").write_bytes(content)
        with pytest.raises(UserError, match=sentence):
            find([], tree / "list.txt")
    with pytest.raises(UserError, match="cannot be read"):
        find([], tree / "missing.txt")


def test_names_are_valid_text_and_no_formulas() -> None:
    assert Item("=cmd|'/c calc'!A1.jpg", ()).name == "./=cmd|'/c calc'!A1.jpg"
    assert Item(os.fsdecode(b"\xff\xfe.jpg"), ()).name == r"\udcff\udcfe.jpg"


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        (("photos", "a.jpg"), "photos/a.jpg.x"),
        (("..", "..", "etc", "passwd"), "_/_/etc/passwd.x"),
        (("example.org:8000", "", "a\x00b", "C:\\x"), "example.org_8000/_/a_b/C__x.x"),
        (("\u202egpj.exe", "ünï.jpg"), "_gpj.exe/ünï.jpg.x"),
        (("example.org", ""), "example.org/_.x"),
        (("=1+1.jpg",), "_=1+1.jpg.x"),
        ((), "_.x"),
    ],
)
def test_places_never_lead_out(place: tuple[str, ...], wanted: str) -> None:
    item = Item("source", place)
    assert places([item], ".x") == {item: PurePosixPath(wanted)}


def test_places_are_short_enough_and_differ() -> None:
    long = Item("one", ("a" * 300 + ".jpg",)), Item("two", ("a" * 299 + "b.jpg",))
    short = Item("a/x.jpg", ("x.jpg",)), Item("b/X.jpg", ("X.jpg",)), Item("c/y.jpg", ("y.jpg",))
    found = places([*long, *short], ".heatmap.jpg")
    assert len({str(path).casefold() for path in found.values()}) == 5
    assert max(len(path.name) for path in found.values()) < 255
    assert str(found[short[2]]) == "y.jpg.heatmap.jpg"
    deep = [Item(f"deep{number}", (*["a" * 50] * 100, str(number), "x.jpg")) for number in range(2)]
    shortened = places(deep, ".heatmap.jpg")
    assert len(set(shortened.values())) == 2
    assert max(len(str(path)) for path in shortened.values()) < 100
    # Which digest it is does not depend on what else there is.
    assert places([short[1], short[0]], ".heatmap.jpg")[short[0]] == found[short[0]]
