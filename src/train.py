"""Train a detector: `python src/train.py model=mobilenetv2 data=folder data.root=/images`."""

import hydra

from fakedet.config import TrainConfig
from fakedet.entry import command


@hydra.main(version_base="1.3", config_path="../conf", config_name="train")
def main(config: TrainConfig) -> None:
    """Compose the config, then train."""
    from fakedet.training.train import train

    train(config)


if __name__ == "__main__":
    with command():
        main()
