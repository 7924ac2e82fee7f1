"""What a repro may leave behind in its process, put back for the next one."""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
import os
import random
import sys
import warnings
from collections.abc import Callable
from typing import Any, cast

# Keras' settings that outlive clear_session, by their getter; each release has some of them.
SETTINGS = ("floatx", "epsilon", "image_data_format", "dtype_policy")

# Modules and classes of ``keras`` whose names a repro may replace.
PLACES = (
    "backend",
    "callbacks",
    "layers",
    "losses",
    "metrics",
    "ops",
    "optimizers",
    "random",
    "saving",
    "utils",
    "Layer",
    "Model",
    "Sequential",
)


class World:
    """The state of a process that imported Keras, as it was at the start."""

    def __init__(self) -> None:
        """Remember the state of this process."""
        self._keras: Any = importlib.import_module("keras")
        clear = self._keras.backend.clear_session
        # From 3.4.0 on it collects garbage unless told not to: a third of a repro's time.
        quick = "free_memory" in inspect.signature(clear).parameters
        self._clear_session = (
            functools.partial(clear, free_memory=False) if quick else clear
        )
        self._environ = dict(os.environ)
        self._path = sys.path[:]
        self._filters = list(warnings.filters)
        self._level = logging.root.level
        self._settings = self._read_settings()
        self._names = self._public_names()

    def restore(self) -> bool:
        """Put things back; return whether the process is then as it was at the start.

        What it looks at: the environment, the path, Keras' global state and settings, the
        names in Keras' public modules (a repro may replace one), warning filters, the root
        logger's level, and the random number generators of Python and NumPy.
        """
        os.environ.clear()
        os.environ.update(self._environ)
        sys.path[:] = self._path
        warnings.resetwarnings()
        cast("list[Any]", warnings.filters)[:] = self._filters
        logging.root.setLevel(self._level)
        random.seed(0)
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed(0)
        try:
            self._clear_session()
        except Exception:  # A release that cannot clear its state is left alone.
            return False
        return (
            self._read_settings() == self._settings and self._public_names() == self._names
        )

    def _read_settings(self) -> list[str]:
        return [str(getter()) for name in SETTINGS if (getter := self._getter(name))]

    def _getter(self, name: str) -> Callable[[], object] | None:
        for place in ("config", "backend", "mixed_precision"):
            found = getattr(getattr(self._keras, place, None), name, None)
            if callable(found):
                return found  # type: ignore[no-any-return]
        return None

    def _public_names(self) -> dict[str, int]:
        places = [
            place
            for name in PLACES
            if (place := getattr(self._keras, name, None)) is not None
        ]
        return {
            f"{place.__name__}.{name}": id(value)
            for place in (self._keras, *places)
            for name, value in vars(place).items()
            if not name.startswith("_")
        }
