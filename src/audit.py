"""Audit a data set for leaks and shortcuts: `python src/audit.py data=folder data.root=/images`."""

import hydra

from fakedet.config import AuditConfig
from fakedet.entry import command


@hydra.main(version_base="1.3", config_path="../conf", config_name="audit")
def main(config: AuditConfig) -> None:
    """Compose the config, then audit."""
    from fakedet.data.audit.audit import audit
    from fakedet.evaluation.intervals import intervals

    audit(config, intervals)


if __name__ == "__main__":
    with command():
        main()
