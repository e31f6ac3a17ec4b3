"""Miniature data sets: the real layouts on disk, filled with generated clips and pictures, in a second or two.

What a benchmark's reader, `prepare` and the tests need to run on before anything has been downloaded.
The content is worth nothing for learning from: every face is one of two photographs in disguise.
"""

from fakedet.data.miniatures.trees import NAMES, clutter, make_tree, media, spoil

__all__ = ["NAMES", "clutter", "make_tree", "media", "spoil"]
