"""The array types of the room, and the one sum it needs everywhere."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = NDArray[np.intp]


def total_by(rows: Rows, amounts: Floats, count: int) -> Floats:
    """(count,) Σ of the amounts that belong to each row."""
    return np.bincount(rows, np.asarray(amounts, dtype=np.float64), minlength=count).astype(np.float64)
