"""One frame of a video at about a given time, for a person to look at."""

from __future__ import annotations

import av
import numpy as np
from av.error import FFmpegError

from fastsim.decode.libraries import configured, cv2
from fastsim.decode.video.reader import TakenFrame, UnreadableVideoError
from fastsim.records.arrays import Uint8Array

_MOST_FRAMES = 400
"""Frames that are decoded after the last keyframe before the time; where it is further, the last of them is shown."""


def frame_at(path: str, seconds: float, longest: int) -> Uint8Array:
    """Return the frame shown at `seconds` as RGB uint8[h, w, 3] with a long side of at most `longest` pixels.

    It is found by seeking, and may be another one than a count of all frames would give where time stamps are damaged.
    Raises UnreadableVideoError.
    """
    try:
        with configured(), av.open(path) as container:
            stream = container.streams.video[0]
            start = stream.start_time or 0
            if seconds > 0 and stream.time_base:
                container.seek(start + int(seconds / stream.time_base), stream=stream)
            wanted = seconds + float(start * stream.time_base) if stream.time_base else seconds
            found = None
            for number, frame in enumerate(container.decode(stream)):
                found = frame
                if frame.time is None or frame.time >= wanted - 1e-3 or number >= _MOST_FRAMES:
                    break
            if found is None:
                raise UnreadableVideoError("no frame at that time")
            picture = TakenFrame(0, seconds, found).picture()
    except (FFmpegError, OSError, IndexError, ValueError) as error:
        raise UnreadableVideoError(str(error) or type(error).__name__) from None
    height, width = picture.shape[:2]
    factor = min(1.0, longest / max(width, height))
    shape = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = cv2.resize(picture, shape, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small[..., ::-1])
