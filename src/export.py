"""Write the one file that is shipped: `python src/export.py ckpt=outputs/train/… [quantize=int8]`."""

import hydra

from fakedet.config import ExportConfig
from fakedet.entry import command


@hydra.main(version_base="1.3", config_path="../conf", config_name="export")
def main(config: ExportConfig) -> None:
    """Compose the config, then export."""
    from fakedet.export.export import export

    export(config)


if __name__ == "__main__":
    with command():
        main()
