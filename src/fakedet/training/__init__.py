"""The LightningModule, its callbacks, and the story of a training run."""
