"""Prepare a download: `python src/prepare.py data=celebdf data.raw=/downloads/Celeb-DF-v2 data.root=/data/celebdf`."""

import hydra

from fakedet.config import PrepareConfig
from fakedet.entry import command


@hydra.main(version_base="1.3", config_path="../conf", config_name="prepare")
def main(config: PrepareConfig) -> None:
    """Compose the config, then prepare."""
    from fakedet.data.prepare import prepare

    prepare(config)


if __name__ == "__main__":
    with command():
        main()
