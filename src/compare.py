"""Compare runs: `python src/compare.py runs=[outputs/train/sweep]`."""

import hydra

from fakedet.config import CompareConfig
from fakedet.entry import command


@hydra.main(version_base="1.3", config_path="../conf", config_name="compare")
def main(config: CompareConfig) -> None:
    """Compose the config, then compare."""
    from fakedet.evaluation.compare import compare

    compare(config)


if __name__ == "__main__":
    with command():
        main()
