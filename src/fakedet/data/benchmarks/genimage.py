"""GenImage: ImageNet photographs against pictures that eight generators made of the same thousand classes.

```
Midjourney/train/ai/208_midjourney_76.png          generated
Midjourney/train/nature/n03495258_20762.JPEG       a photograph of ImageNet's training set
Midjourney/val/ai/…
Midjourney/val/nature/ILSVRC2012_val_00000378.JPEG
BigGAN/imagenet_ai_0419_biggan/{train,val}/…       the archives' own folder may stay in between
```

The folder below the root names the generator. `val` is what the paper tests on, so it is the test split;
validation is cut from `train`. A photograph's name is ImageNet's, so one that two generators share stays on
one side of any split. Alphabetically `ai` comes first: classes go by name here.

Some files cannot be read: the authors list them in `data/corrupted_files` of their repository, over 3,500
photographs of Stable Diffusion V1.5 (about 1.1 %) and a few of the others.

Licence: CC BY-NC-SA 4.0, and ImageNet's for the photographs, by https://github.com/GenImage-Dataset/GenImage.
Zhu, Chen, Yan, Huang, Lin, Li, Tu, Hu, Hu & Wang, "GenImage: A Million-Scale Benchmark for Detecting
AI-Generated Image", NeurIPS 2023.
"""

import re
from pathlib import Path
from typing import ClassVar

from fakedet.data.benchmark import Source
from fakedet.data.generators import GeneratorFolders
from fakedet.data.manifest import FAKE, REAL

_SPLITS = {"train": "train", "val": "test"}
_IMAGENET = re.compile(r"n\d{8}_\d+|ILSVRC2012_val_\d{8}")


class GenImage(GeneratorFolders):
    """`data=genimage`."""

    dataset = "genimage"
    source = Source(
        title="GenImage",
        page="https://github.com/GenImage-Dataset/GenImage",
        terms="non-commercial (CC BY-NC-SA 4.0); the photographs are ImageNet's",
        citation="Zhu et al., GenImage: A Million-Scale Benchmark for Detecting AI-Generated Image, NeurIPS 2023",
    )
    classes: ClassVar = {"nature": REAL, "ai": FAKE}
    patterns = ("*/train", "*/val", "*/imagenet_*/train", "*/imagenet_*/val")
    layout = "generators with train/ai, train/nature, val/ai and val/nature (Midjourney, BigGAN, …)"

    def place(self, parts: tuple[str, ...]) -> tuple[str | None, str]:
        """The generator comes first, the split last."""
        return _SPLITS[parts[-1]], parts[0]

    def source_clip(self, file: Path, label: int) -> str | None:
        """ImageNet's name of a photograph."""
        name = _IMAGENET.match(file.name) if label == REAL else None
        return f"imagenet:{name[0]}" if name else None
