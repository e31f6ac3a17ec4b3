"""Judge pictures and videos: `python src/predict.py ckpt=outputs/train/… input=photos`."""

from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from omegaconf import OmegaConf

from fakedet.config import PredictConfig, check_keys
from fakedet.entry import command
from fakedet.errors import UserError

if TYPE_CHECKING:
    from fakedet.detector.detector import Detector


@hydra.main(version_base="1.3", config_path="../conf", config_name="predict")
def main(config: PredictConfig) -> None:
    """Compose the config, then judge with the detector that it names."""
    from fakedet.detector.predict import Request, predict

    check_keys(config)
    plain = OmegaConf.to_container(config, throw_on_missing=True)
    assert isinstance(plain, dict)
    inputs = plain.pop("input") or []
    asked = {str(key): plain[key] for key in plain if key not in ("ckpt", "engine", "finder_file")}
    request = Request(inputs=[str(one) for one in (inputs if isinstance(inputs, list) else [inputs])], **asked)
    predict(lambda threads: _open(config, threads), request)


def _open(config: PredictConfig, threads: int) -> "Detector":
    """A shipped file as it is, a checkpoint through the room that can read it; both answer alike."""
    finder_file = None if config.finder_file is None else Path(config.finder_file)
    if config.ckpt.endswith(".onnx"):
        from fakedet.detector.detector import Detector

        engine = config.engine or "onnxruntime"
        return Detector.load(config.ckpt, engine=engine, threads=threads, finder_file=finder_file)
    if config.engine is not None:
        raise UserError(f"engine={config.engine} runs an exported .onnx; make one of {config.ckpt} with src/export.py.")
    import torch

    from fakedet.models.detector import load_detector

    torch.set_num_threads(threads)
    return load_detector(config.ckpt, finder_file=finder_file)


if __name__ == "__main__":
    with command():
        main()
