"""The numbers that programs are made of; scripts have the same two functions. Pure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def numbers(shape: tuple[int, ...], start: int) -> Any:
    """Return small numbers, multiples of 1/8 between -3/4 and 3/4; those of each start differ."""
    count = math.prod(shape)
    return ((np.arange(count) * 5 + start * 3) % 13 - 6).reshape(shape) / 8.0


def whole_numbers(shape: tuple[int, ...], start: int, end: int) -> Any:
    """Return whole numbers from 0 to ``end`` - 1."""
    count = math.prod(shape)
    return ((np.arange(count) * 5 + start * 3) % 13 % end).reshape(shape)
