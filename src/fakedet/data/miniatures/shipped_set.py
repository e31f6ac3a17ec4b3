"""Miniature of the data of the shipped detector: some of each of its eight folders."""

import csv
from pathlib import Path

import numpy as np

from fakedet.data.miniatures.actors import Picture, film, generator
from fakedet.data.miniatures.files import write_picture
from fakedet.data.miniatures.forging import forge
from fakedet.data.miniatures.image_sets import face_crop, generated, photograph

# Set of generators -> their names, and the prompts that all of them had.
_GENERATORS = {
    "many_models": (("flux", "kolors", "playground"), ("Bear_catching_fish", "Cute_robot", "Fantasy_city", "Old_mill")),
    "models_2022": (("disco", "glid3", "latent"), ("aerial-harbour-3", "cubist-chair-7", "quiet-lake-1", "red-fox-5")),
}


def shipped(root: Path, seed: int = 0) -> None:
    """The data of the shipped detector: 12 DFDC crops, 20 portraits, 32 generated pictures, 18 photographs.

    Faces are found in `hard_fake_vs_real` and `generated/stylegan1`; what is in `dfdc_faces` is a face already.

    Args:
        root: holds the eight folders.
        seed: decides the pictures.
    """
    _dfdc(root / "dfdc_faces", seed)
    for part, count in (("images", 4), ("val_images", 2)):
        for number in range(count):
            real, fake = _portraits(f"hard/{part}/{number}", seed)
            write_picture(root / f"hard_fake_vs_real/{part}/real/real_{number}.jpg", real)
            write_picture(root / f"hard_fake_vs_real/{part}/fake/fake_{number}.jpg", fake)
    for number in range(4):
        real, fake = _portraits(f"stylegan/{number}", seed)
        write_picture(root / f"generated/stylegan1/real/{number:05d}.jpg", real)
        write_picture(root / f"generated/stylegan1/fake/{number:06d}.jpg", fake)
    for name in ("stable_diffusion_v1", "photoreal"):
        rng = generator(seed, "shipped", name)
        for number in range(4):
            write_picture(root / f"generated/{name}/real/{number:04d}.jpg", photograph(rng, 160))
            write_picture(root / f"generated/{name}/fake/{number:04d}.jpg", generated(photograph(rng, 160), rng))
    for name, (models, prompts) in _GENERATORS.items():
        rng = generator(seed, "shipped", name)
        for model in models:
            for prompt in prompts:
                file = f"{model}__{prompt}" + (f"__{model}-1" if name == "models_2022" else "")
                write_picture(root / f"generated/{name}/fake/{file}.jpg", generated(photograph(rng, 160), rng))
    rng = generator(seed, "shipped", "photographs")
    for number in range(10):
        write_picture(root / f"photographs/real/n{number:08d}.jpg", photograph(rng, 180))


def _dfdc(folder: Path, seed: int) -> None:
    rows = [("file", "label", "original")]
    for number in range(6):
        target, original = f"dfdc/{number}", f"clip{number:06d}"
        clip = film(target, "crop", 1, seed)
        forged, _ = forge(clip, target, f"dfdc/{(number + 1) % 6}", "FaceSwap", seed)
        for name, frame in ((f"real/{original}.jpg", clip.frames[0]), (f"fake/swap{number:06d}.jpg", forged[0])):
            write_picture(folder / name, face_crop(frame, clip, 0, side=224))
            rows.append((name, name.partition("/")[0], original))
    with (folder / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)


def _portraits(name: str, seed: int) -> tuple[Picture, Picture]:
    """A picture of somebody, and one of somebody else that lacks detail."""
    real, other = (film(f"{name}/{kind}", "portrait", 1, seed).frames[0] for kind in ("real", "fake"))
    soft = generated(other, generator(seed, name)).astype(np.float64)
    return real, np.asarray((0.5 * soft + 0.5 * other).clip(0, 255), np.uint8)
