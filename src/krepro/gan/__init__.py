"""GANs: trained in cells by a script of their own, diagnosed by their curves and samples.

For your own training::

    from krepro.gan import Watch, diagnose, read_history

What is named here is imported when it is asked for: it needs NumPy, which is optional.
"""

from __future__ import annotations

import importlib
from typing import Any

_ROOMS = {
    "Diagnosis": "diagnosis",
    "Finding": "diagnosis",
    "History": "history",
    "Watch": "watch",
    "callback": "watch",
    "diagnose": "diagnosis",
    "read_history": "history",
    "variety_of": "diagnosis",
}
__all__ = list(_ROOMS)


def __getattr__(name: str) -> Any:
    """Return what a room of this package has.

    Raises:
        AttributeError: none has it.
    """
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_ROOMS[name]}"), name)
