"""Miniatures of the sets of pictures, each in the layout and with the names of its release."""

from pathlib import Path

import cv2
import numpy as np

from fakedet.data.miniatures.actors import HEIGHT, WIDTH, Clip, Picture, film, generator, scenes
from fakedet.data.miniatures.files import write_picture
from fakedet.data.miniatures.forging import forge
from fakedet.data.miniatures.video_sets import FFPP_PAIRS, celeb, ffpp
from fakedet.data.photographs import random_crop

# Generator: side of its pictures, and how its files are called by ImageNet class and number.
_GENIMAGE = {
    "BigGAN": (128, "{0:03d}_biggan_{1:05d}.png"),
    "Midjourney": (192, "{0}_midjourney_{1}.png"),
    "stable_diffusion_v_1_4": (160, "{0:03d}_sdv4_{1:05d}.png"),
}
_WORDNET = ("n01440764", "n01443537", "n01484850", "n01491361")
_CNNDETECTION: dict[str, dict[str, tuple[str, ...]]] = {
    "train": {"progan": ("airplane", "car")},
    "val": {"progan": ("airplane", "car")},
    "test": {"progan": ("airplane", "car"), "cyclegan": ("horse", "zebra"), "stargan": ("",), "deepfake": ("",)},
}
_COMMUNITY = ("dalle3", "flux1_dev", "midjourney_v6")
_DF40 = {"simswap": "Deepfakes", "fomm": "Face2Face"}  # a swap and a reenactment
_DF40_CELEBDF = ((0, 1, "0001"), (16, 17, "0000"), (3, 4, "0001"))


def df40(root: Path, seed: int = 0, frames: int = 12) -> None:
    """DF40 (Yan et al., NeurIPS 2024): crops of fakes that two methods made of FaceForensics++ and Celeb-DF.

    Each method has 6 videos from `faceforensics` (one pair of each split, both orders) and 3 from `celebdf`
    (two of its list for testing), with the same faces and paths; 4 crops of 256 pixels a video, 72 in all.
    The real clips lie in those sets.

    Args:
        root: holds a folder for each method.
        seed: that of the two sets.
        frames: of their clips.
    """
    videos = [
        ("ff", f"{target}_{source}", ffpp(target), ffpp(source), "youtube")
        for pairs in FFPP_PAIRS.values()
        for target, source in (pairs[0], pairs[0][::-1])
    ] + [
        ("cdf", f"id{target}_id{source}_{take}", celeb(target), celeb(source), take)
        for target, source, take in _DF40_CELEBDF
    ]
    for domain, video, target, source, scene in videos:
        clip = film(target, scene, frames, seed)
        for method, forgery in _DF40.items():
            fake, _ = forge(clip, target, source, forgery, seed)
            for number in np.linspace(0, frames - 1, 4, dtype=int):
                crop = face_crop(fake[number], clip, number)
                write_picture(root / method / domain / "frames" / video / f"{number:03d}.png", crop)


def genimage(root: Path, seed: int = 0) -> None:
    """GenImage (Zhu et al., NeurIPS 2023): three generators, each 8 + 4 pictures of either class.

    As in the release the generated ones are square PNG files of one size, the photographs JPEG files of many:
    36 of each in all.

    Args:
        root: holds a folder for each generator.
        seed: decides the pictures.
    """
    for name, (side, pattern) in _GENIMAGE.items():
        for split, count in (("train", 8), ("val", 4)):
            rng = generator(seed, "genimage", name, split)
            for number in range(count):
                ai = pattern.format(number % len(_WORDNET), number + (0 if split == "val" else 100))
                write_picture(root / name / split / "ai" / ai, generated(photograph(rng, side), rng))
                synset, picture = _WORDNET[number % len(_WORDNET)], int(rng.integers(1, 9999))
                nature = f"{synset}_{picture}.JPEG" if split == "train" else f"ILSVRC2012_val_{picture:08d}.JPEG"
                shown = photograph(rng, int(rng.integers(140, 220)))[int(rng.integers(30)) :]
                write_picture(root / name / split / "nature" / nature, shown)


def cnndetection(root: Path, seed: int = 0) -> None:
    """CNNDetection (Wang et al., CVPR 2020): ProGAN for training, four generators for testing.

    4 pictures of either class in each of the 10 folders, 40 of each in all; two generators have classes.

    Args:
        root: holds `train`, `val` and `test`.
        seed: decides the pictures.
    """
    for split, generators in _CNNDETECTION.items():
        for name, classes in generators.items():
            for kind in classes:
                rng = generator(seed, "cnndetection", split, name, kind)
                for number in range(4):
                    folder = root / split / name / kind
                    write_picture(folder / "0_real" / f"{number:05d}.png", photograph(rng, 128))
                    write_picture(folder / "1_fake" / f"{number:05d}.png", generated(photograph(rng, 128), rng))


def community_forensics(root: Path, seed: int = 0) -> None:
    """Community Forensics (Park & Owens, CVPR 2025): three generators, each 8 pictures of either class.

    Args:
        root: holds a folder for each generator.
        seed: decides the pictures.
    """
    for name in _COMMUNITY:
        rng = generator(seed, "community", name)
        for number in range(8):
            write_picture(root / name / "real" / f"{number:06d}.png", photograph(rng, 160))
            write_picture(root / name / "fake" / f"{number:06d}.png", generated(photograph(rng, 160), rng))


def folder(root: Path, seed: int = 0) -> None:
    """Somebody's own pictures: 12 people in `real`, each once more in `fake` with another's face.

    Args:
        root: holds `real` and `fake`.
        seed: decides the pictures.
    """
    for number in range(12):
        target, source = f"own/{number}", f"own/{(number + 1) % 12}"
        clip = film(target, "own", 1, seed)
        write_picture(root / "real" / f"person_{number:02d}.jpg", clip.frames[0])
        fake, _ = forge(clip, target, source, "Deepfakes", seed)
        write_picture(root / "fake" / f"person_{number:02d}.jpg", fake[0])


def photograph(rng: np.random.Generator, side: int) -> Picture:
    """A piece of a photograph in colours of its own, RGB, (side, side, 3)."""
    piece = random_crop(scenes()[rng.integers(len(scenes()))], rng, side)
    return np.asarray((piece * rng.uniform(0.7, 1.15, 3)).clip(0, 255), np.uint8)


def generated(image: Picture, rng: np.random.Generator) -> Picture:
    """What stands for a generated picture: a third of the resolution enlarged again, in shifted colours."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (width // 3, height // 3), interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float64)
    return np.asarray((large * 1.1 + rng.uniform(-20, 20, 3)).clip(0, 255), np.uint8)


def face_crop(frame: Picture, clip: Clip, number: int, side: int = 256) -> Picture:
    """The face with its margin, enlarged: a square of 117 pixels, 1.3 times the height of a face."""
    x, y = clip.moves[number] @ (64, 84, 1)
    left, top = (round(min(max(at - 58, 0), most - 117)) for at, most in ((x, WIDTH), (y, HEIGHT)))
    square = frame[top : top + 117, left : left + 117]
    return np.asarray(cv2.resize(square, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)
