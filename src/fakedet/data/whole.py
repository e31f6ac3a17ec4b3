"""Pictures and frames in which no face was found, as they are in the download."""

from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakedet.data.images import Images
from fakedet.detector import video
from fakedet.detector.image import ImageError, decode


class WholePictures(Images):
    """Rows of `missed.parquet`; their `root` is the download."""

    def __init__(self, rows: pd.DataFrame, *arguments: object) -> None:
        super().__init__(rows, *arguments)  # type: ignore[arg-type]
        self.frames = [None if pd.isna(frame) else int(frame) for frame in rows["frame"]]

    def picture(self, index: int) -> NDArray[np.uint8]:
        """A picture, or the frame of a video that the row stands for.

        Raises:
            ImageError: when it cannot be read.
        """
        frame, path = self.frames[index], self.root / self.paths[index]
        if frame is None:
            return decode(path)
        try:
            # A frame's path is its video's, and its number below it.
            for _, image in video.read_at(self.root / PurePosixPath(self.paths[index]).parent, [frame]):
                return image
        except video.VideoError as error:
            raise ImageError(str(error)) from error
        raise ImageError("breaks off before")
