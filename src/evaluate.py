"""Evaluate a detector: `python src/evaluate.py ckpt=outputs/train/… data=folder data.root=/images`."""

import hydra

from fakedet.config import EvaluateConfig
from fakedet.entry import command


@hydra.main(version_base="1.3", config_path="../conf", config_name="evaluate")
def main(config: EvaluateConfig) -> None:
    """Compose the config, then evaluate."""
    from fakedet.evaluation.evaluate import evaluate

    evaluate(config)


if __name__ == "__main__":
    with command():
        main()
