"""Community Forensics, and any set that is laid out as its pictures are here: real and fake for each generator.

```
dalle3/real/*.png   dalle3/fake/*.png
flux1_dev/{real,fake}/…
{train,val,test}/flux1_dev/{real,fake}/…           splits that exist are honoured
```

The release is a table of encoded pictures, not a tree: write each to the folder of its `model_name`, below
`real` or `fake` by its `label`. The folder above `real` and `fake` names the generator.

Licence: CC BY 4.0, the small and the evaluation set CC BY-NC-SA 4.0, and each generator's own; all three by
https://github.com/JeongsooP/Community-Forensics. Park & Owens, "Community Forensics: Using Thousands of
Generators to Train Fake Image Detectors", CVPR 2025.
"""

from typing import ClassVar

from fakedet.data.benchmark import Source
from fakedet.data.generators import GeneratorFolders
from fakedet.data.manifest import FAKE, REAL, SPLITS
from fakedet.errors import UserError


class CommunityForensics(GeneratorFolders):
    """`data=community_forensics`."""

    dataset = "community_forensics"
    source = Source(
        title="Community Forensics",
        page="https://github.com/JeongsooP/Community-Forensics",
        terms="research (CC BY 4.0; its small and its evaluation set CC BY-NC-SA 4.0), and each generator's own",
        citation=(
            "Park & Owens, Community Forensics: Using Thousands of Generators to Train Fake Image Detectors, CVPR 2025"
        ),
    )
    classes: ClassVar = {"real": REAL, "fake": FAKE}
    patterns = ("*", *(f"{split}/*" for split in SPLITS))
    layout = "generators with real and fake, or those below train, val and test"

    def place(self, parts: tuple[str, ...]) -> tuple[str | None, str]:
        """The split comes first, if there is one, then the generator."""
        if len(parts) == 1 and parts[0] in SPLITS:
            raise UserError(f"{parts[0]}/real names no generator: splits with nothing but classes are data=folder.")
        return (parts[0] if len(parts) > 1 else None), parts[-1]
