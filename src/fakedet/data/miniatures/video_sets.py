"""Miniatures of the sets of videos, each in the layout and with the names of its release."""

import json
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

from fakedet.data.miniatures.actors import Picture, film, generator
from fakedet.data.miniatures.files import compressed, write_bytes, write_video
from fakedet.data.miniatures.forging import METHODS, forge

# Pairs of the official splits, so that the official lists know every clip.
FFPP_PAIRS = {
    "train": [("071", "054"), ("087", "081"), ("881", "856"), ("187", "234")],
    "val": [("720", "672")],
    "test": [("953", "974")],
}
_QUALITY = {"c23": None, "c40": 15, "raw": None}  # of the JPEG step before the encoder
_DFD_SCENES = ("outside_talking_still_laughing", "kitchen_pan")
_DFD_ACTORS = ("01", "03", "07", "11", "23", "24")
_CELEBDF_V2 = ((0, 1, 2), (3, 4), (16, 17))  # identities that were swapped among each other
_CELEBDF_V1 = ((0, 1), (2, 3))
_CELEBDF_TEST = {
    2: [
        "YouTube-real/00170", "YouTube-real/00208",
        "Celeb-real/id0_0000", "Celeb-real/id1_0001", "Celeb-real/id16_0000",
        "Celeb-synthesis/id0_id1_0001", "Celeb-synthesis/id1_id0_0001",
        "Celeb-synthesis/id3_id4_0000", "Celeb-synthesis/id16_id17_0000",
    ],
    1: ["YouTube-real/00170", "Celeb-real/id0_0000", "Celeb-synthesis/id0_id1_0000", "Celeb-synthesis/id2_id3_0001"],
}  # fmt: skip
_YOUTUBE = {2: ("00023", "00170", "00208", "00251"), 1: ("00023", "00170", "00251")}
_DFDC_PARTS = (0, 1, 35, 40)
_LETTERS = list("abcdefghijklmnopqrstuvwxyz")
_PREVIEW = {"train": [("1003254", "1255229"), ("643049", "1260311")], "test": [("1004567", "1170627")]}


def faceforensics(root: Path, seed: int = 0, frames: int = 12, compressions: Sequence[str] = ("c23",)) -> None:
    """FaceForensics++ (Rössler et al., ICCV 2019): 12 real clips, both orders of 6 pairs by five methods.

    60 fakes; 48 masks, for FaceShifter came without; `splits/{train,val,test}.json` with 4, 1 and 1 pairs.

    Args:
        root: holds `original_sequences`, `manipulated_sequences` and `splits`.
        seed: decides faces, backgrounds and paths.
        frames: of a clip.
        compressions: of `raw`, `c23` and `c40`.
    """
    forged = root / "manipulated_sequences"
    for split, pairs in FFPP_PAIRS.items():
        write_bytes(root / "splits" / f"{split}.json", json.dumps(pairs, indent=2).encode())
        for target, source in (order for pair in pairs for order in permutations(pair)):
            clip = film(ffpp(target), "youtube", frames, seed)
            _write(root / "original_sequences/youtube", f"{target}.mp4", clip.frames, compressions)
            for method in METHODS:
                fake, masks = forge(clip, ffpp(target), ffpp(source), method, seed)
                _write(forged / method, f"{target}_{source}.mp4", fake, compressions)
                if method != "FaceShifter":
                    write_video(forged / method / "masks/videos" / f"{target}_{source}.mp4", masks)


def dfd(root: Path, seed: int = 0, frames: int = 12, compressions: Sequence[str] = ("c23",)) -> None:
    """DeepFakeDetection (Dufour & Gully, 2019): 6 actors in 2 scenes, 12 real; 12 fakes with masks.

    Every actor is the target of two: the next and the one after that, in turn. It may lie in the same root
    as FaceForensics++, as in the release.

    Args:
        root: holds `original_sequences` and `manipulated_sequences`.
        seed: decides faces, backgrounds, paths and the ids at the end of the names.
        frames: of a clip.
        compressions: of `raw`, `c23` and `c40`.
    """
    forged = root / "manipulated_sequences/DeepFakeDetection"
    rng = generator(seed, "dfd")
    for number, target in enumerate(_DFD_ACTORS):
        for step, scene in enumerate(_DFD_SCENES, start=1):
            source = _DFD_ACTORS[(number + step) % len(_DFD_ACTORS)]
            clip = film(f"dfd/{target}", scene, frames, seed)
            _write(root / "original_sequences/actors", f"{target}__{scene}.mp4", clip.frames, compressions)
            fake, masks = forge(clip, f"dfd/{target}", f"dfd/{source}", "Deepfakes", seed)
            code = "".join(rng.choice(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"), 8))
            name = f"{target}_{source}__{scene}__{code}.mp4"
            _write(forged, name, fake, compressions)
            write_video(forged / "masks/videos" / name, masks)


def celebdf(root: Path, seed: int = 0, frames: int = 12, version: int = 2) -> None:
    """Celeb-DF (Li et al., CVPR 2020): 14 + 4 real and 20 fake clips; 9 of them in the list for testing.

    Version 1 has 8 + 3 real and 8 fake clips, and 4 in its list. Two of the fakes that v2 tests on were made
    from clips outside the list, as most were in the release: `id0_0001` and `id3_0000`.

    Args:
        root: holds `Celeb-real`, `YouTube-real`, `Celeb-synthesis` and the list.
        seed: decides faces, backgrounds and paths.
        frames: of a clip.
        version: 1 or 2.
    """
    for name in _YOUTUBE[version]:
        write_video(root / "YouTube-real" / f"{name}.mp4", film(f"youtube/{name}", "0000", frames, seed).frames)
    for circle in _CELEBDF_V2 if version == 2 else _CELEBDF_V1:
        for target in circle:
            for take in ("0000", "0001"):
                clip = film(celeb(target), take, frames, seed)
                write_video(root / "Celeb-real" / f"id{target}_{take}.mp4", clip.frames)
                for source in (other for other in circle if other != target):
                    fake, _ = forge(clip, celeb(target), celeb(source), "Deepfakes", seed)
                    write_video(root / "Celeb-synthesis" / f"id{target}_id{source}_{take}.mp4", fake)
    lines = [f"{int('real' in name)} {name}.mp4" for name in _CELEBDF_TEST[version]]
    write_bytes(root / "List_of_testing_videos.txt", "\n".join(lines).encode())


def celebdf_v1(root: Path, seed: int = 0, frames: int = 12) -> None:
    """Version 1 of `celebdf`."""
    celebdf(root, seed, frames, version=1)


def dfdc(root: Path, seed: int = 0, frames: int = 12) -> None:
    """DeepFake Detection Challenge (Dolhansky et al., 2020): parts 0, 1, 35 and 40, each 3 real and 5 fake clips.

    Args:
        root: holds the `dfdc_train_part_N`, each with its `metadata.json`.
        seed: decides names, faces, backgrounds and paths.
        frames: of a clip.
    """
    for part in _DFDC_PARTS:
        folder = root / f"dfdc_train_part_{part}"
        rng = generator(seed, "dfdc", part)
        names = ["".join(rng.choice(_LETTERS, 10)) + ".mp4" for _ in range(8)]
        metadata = {}
        for number, original in enumerate(names[:3]):
            clip = film(f"dfdc/{original}", "0000", frames, seed)
            write_video(folder / original, clip.frames)
            metadata[original] = {"label": "REAL", "split": "train"}
            for name in names[3 + number :: 3]:
                method = ("Deepfakes", "NeuralTextures")[number % 2]
                write_video(folder / name, forge(clip, f"dfdc/{original}", f"dfdc/{name}", method, seed)[0])
                metadata[name] = {"label": "FAKE", "split": "train", "original": original}
        write_bytes(folder / "metadata.json", json.dumps(dict(sorted(metadata.items()))).encode())


def dfdc_preview(root: Path, seed: int = 0, frames: int = 12) -> None:
    """DFDC preview (Dolhansky et al., 2019): 12 real clips of 6 people, 12 fake ones by two methods.

    Two pairs of people are for training, one is for testing.

    Args:
        root: holds `original_videos`, `method_A`, `method_B` and `dataset.json`.
        seed: decides faces, backgrounds and paths.
        frames: of a clip.
    """
    table: dict[str, dict[str, object]] = {}
    for split, pairs in _PREVIEW.items():
        for target, source in (order for pair in pairs for order in permutations(pair)):
            for take, folder, method in (("A", "method_A", "Deepfakes"), ("B", "method_B", "FaceSwap")):
                about = {"set": split, "augmentations": [], "target_id": target}
                clip = film(f"preview/{target}", take, frames, seed)
                real = f"original_videos/{target}/{target}_{take}_001.mp4"
                write_video(root / real, clip.frames)
                table[real] = {"label": "real", **about, "swapped_id": None}
                fake = f"{folder}/{target}/{target}_{take}/{source}_{target}_{take}_001.mp4"
                write_video(root / fake, forge(clip, f"preview/{target}", f"preview/{source}", method, seed)[0])
                table[fake] = {"label": "fake", **about, "swapped_id": source}
    write_bytes(root / "dataset.json", json.dumps(table, indent=2).encode())


def ffpp(number: str) -> str:
    """The identity of a FaceForensics++ number; sets derived from it show the same face."""
    return f"ffpp/{number}"


def celeb(number: int) -> str:
    """The identity of a Celeb-DF number."""
    return f"celebdf/id{number}"


def _write(folder: Path, name: str, frames: Sequence[Picture], compressions: Sequence[str]) -> None:
    for compression in compressions:
        quality = _QUALITY[compression]
        coded = frames if quality is None else compressed(frames, quality)
        write_video(folder / compression / "videos" / name, coded)
