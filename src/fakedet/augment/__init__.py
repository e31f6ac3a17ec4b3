"""albumentations pipelines, and forgeries made from real photographs."""

import os

# Without it, importing albumentations asks the network for a newer version.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

from fakedet.augment.compression import encode_jpeg
from fakedet.augment.forgeries import METHODS, Forger, Forgery
from fakedet.augment.pipeline import Pipeline, build

__all__ = ["METHODS", "Forger", "Forgery", "Pipeline", "build", "encode_jpeg"]
