"""CNNDetection, also called ForenSynths: ProGAN to train on, pictures of thirteen generators to test on.

```
train/airplane/0_real/*.png   train/airplane/1_fake/*.png      ProGAN and LSUN, 20 object classes
val/airplane/{0_real,1_fake}/…
test/progan/airplane/{0_real,1_fake}/…                         generators with object classes
test/biggan/{0_real,1_fake}/…                                  and without
```

`progan_train`, `progan_val` and `CNN_synth_testset`, as the archives are called, may stand for the three; any
of them may be missing, and the generators may lie in the root, without splits. Below `train` and `val` the
folder `progan` may be there or not. One object class is called `train`: only the first folder is a split.

Licence: CC BY-NC-SA 4.0, in https://github.com/PeterWang512/CNNDetection. Wang, Wang, Zhang, Owens & Efros,
"CNN-generated images are surprisingly easy to spot... for now", CVPR 2020.
"""

from typing import ClassVar

from fakedet.data.benchmark import Source
from fakedet.data.generators import GeneratorFolders
from fakedet.data.manifest import FAKE, REAL
from fakedet.errors import UserError

_SPLITS = {
    "train": "train", "progan_train": "train",
    "val": "val", "progan_val": "val",
    "test": "test", "CNN_synth_testset": "test",
}  # fmt: skip
# Of LSUN, all made with ProGAN (Wang et al., CVPR 2020, section 4.1).
_OBJECTS = {
    "airplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
}  # fmt: skip


class CNNDetection(GeneratorFolders):
    """`data=cnndetection`."""

    dataset = "cnndetection"
    source = Source(
        title="CNNDetection",
        page="https://github.com/PeterWang512/CNNDetection",
        terms="non-commercial (CC BY-NC-SA 4.0)",
        citation="Wang et al., CNN-generated images are surprisingly easy to spot... for now, CVPR 2020",
    )
    classes: ClassVar = {"0_real": REAL, "1_fake": FAKE}
    patterns = ("*", "*/*", *(f"{split}/*/*" for split in _SPLITS))
    layout = "0_real and 1_fake below generators (progan, biggan, …), or those below train, val and test"

    def place(self, parts: tuple[str, ...]) -> tuple[str | None, str]:
        """The split comes first, if there is one, then the generator; the training set leaves ProGAN out."""
        if parts in (("val",), ("test",)):
            raise UserError(f"{parts[0]}/0_real names no generator: splits with nothing but classes are data=folder.")
        split = _SPLITS.get(parts[0]) if len(parts) > 1 else None
        inner = parts[1:] if split else parts
        return split, "progan" if inner[0] in _OBJECTS else inner[0]
