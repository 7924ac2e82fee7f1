"""Matplotlib, for files alone."""

from __future__ import annotations

from typing import Any


def pyplot(settings: Any = ()) -> Any:
    """Return matplotlib's pyplot, without a screen; ``settings`` is a mapping of ``rcParams``.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib as mpl  # noqa: PLC0415  Heavy, and needed for pictures alone.

    mpl.use("Agg")
    mpl.rcParams.update(settings)
    from matplotlib import pyplot as plt  # noqa: PLC0415

    return plt
