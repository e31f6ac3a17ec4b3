"""Films whose frames say their numbers, in the containers and codecs that come along."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

HEIGHT, WIDTH, _BITS = 96, 160, 12


def frame(number: int) -> Picture:
    """A picture that says its number in black and white bars, above something that moves."""
    picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    for bit in range(_BITS):
        picture[8:40, 8 + 12 * bit : 20 + 12 * bit] = 230 if number >> bit & 1 else 20
    picture[56:88, number * 3 % 120 : number * 3 % 120 + 40] = (210, 90, 30)
    return picture


def number(picture: Picture) -> int:
    """What the bars of a decoded frame say."""
    bars = [picture[14:34, 12 + 12 * bit : 16 + 12 * bit].mean() > 125 for bit in range(_BITS)]
    return sum(1 << bit for bit, white in enumerate(bars) if white)


def write(
    path: Path,
    frames: int,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    milliseconds: Sequence[int] | None = None,
    container: dict[str, str] | None = None,
) -> Path:
    """Encode that many frames, 25 a second or shown at given times."""
    with av.open(str(path), "w", options=container or {}) as file:
        stream: Any = file.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if milliseconds is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(frames):
            picture = av.VideoFrame.from_ndarray(frame(number), format="rgb24")
            if milliseconds is not None:
                picture.pts, picture.time_base = int(milliseconds[number]), Fraction(1, 1000)
            file.mux(stream.encode(picture))
        file.mux(stream.encode())
    return path


_X264 = {"g": "30", "bf": "3", "preset": "ultrafast", "x264-params": "b-adapt=0:scenecut=0"}
TIMES = np.cumsum(np.random.default_rng(0).integers(4, 130, 240)).tolist()
FILES: dict[str, dict[str, Any]] = {
    "b_frames.mp4": {"options": _X264},
    "open_gop.mp4": {"options": {**_X264, "x264-params": "open-gop=1:b-adapt=0:scenecut=0:b-pyramid=normal"}},
    "variable.mp4": {"options": _X264, "milliseconds": TIMES},
    "variable.mkv": {"options": _X264, "milliseconds": TIMES},
    "stream.ts": {"options": _X264},
    "one_key_frame.mp4": {"options": {**_X264, "g": "400"}},
    "h264.avi": {"options": _X264},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "30"}},
    "only_key_frames.avi": {"codec": "mjpeg"},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"g": "30", "deadline": "realtime", "cpu-used": "8"}},
    "fragments.mp4": {"options": _X264, "container": {"movflags": "frag_keyframe+empty_moov"}},
    "program.mpg": {"codec": "mpeg2video", "options": {"g": "30", "bf": "2"}},
}
