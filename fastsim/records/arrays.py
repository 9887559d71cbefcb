"""Name the array types that stages exchange."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float16Array = NDArray[np.float16]
Float32Array = NDArray[np.float32]
Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]
Uint8Array = NDArray[np.uint8]
