"""The same initial weights in every run, whatever draws them: kept by one, put into the others.

A variable gets its value when it is created, by an initializer. So the first run notes what its
initializers drew, and later runs are given that instead, for the variable of the same path and
shape. What matches nothing keeps what was drawn, and is counted.
"""

from __future__ import annotations

import importlib
import json
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

SEED = 20240229
VALUES = "initial.npz"
# How much of a path must be the same: all of it, or the layer's name and the weight's.
SCHEMES = (0, 2, 1)


def seed_everything() -> None:
    """Seed every generator that a script may draw from without a seed of its own."""
    keras: Any = importlib.import_module("keras")
    numpy: Any = importlib.import_module("numpy")
    keras.utils.set_random_seed(SEED)
    default_rng = numpy.random.default_rng
    drawn = iter(range(SEED, sys.maxsize))

    def seeded_rng(seed: Any = None) -> Any:
        return default_rng(next(drawn) if seed is None else seed)

    numpy.random.default_rng = seeded_rng


class Sower:
    """Keeps initial values, or puts kept ones in."""

    def __init__(self, given: Path | None, nudge: float = 0.0) -> None:
        """Take values from a file, or (None) keep what is drawn.

        Args:
            given: a file that ``save`` wrote.
            nudge: the relative size of a random change to each value that is put in.
        """
        self._numpy: Any = importlib.import_module("numpy")
        self._counts: Counter[tuple[Any, ...]] = Counter()
        self._drawn: list[tuple[str, Any]] = []
        self._values: dict[tuple[Any, ...], Any] | None = None
        self._nudge = nudge
        self._noise = self._numpy.random.Generator(self._numpy.random.PCG64(SEED))
        self.put, self.missed = 0, 0
        if given is not None:
            self._values = self._load(given)

    def _load(self, given: Path) -> dict[tuple[Any, ...], Any]:
        found: dict[tuple[Any, ...], Any] = {}
        counts: Counter[tuple[Any, ...]] = Counter()
        with self._numpy.load(given, allow_pickle=False) as file:
            for number, path in enumerate(json.loads(str(file["paths"]))):
                value = file[f"value-{number}"]
                for key in keys(path, value.shape, counts):
                    found[key] = value
        return found

    def install(self) -> None:
        """Have every variable that is created from now on ask here for its value."""
        backend: Any = importlib.import_module("keras.src.backend")
        cls = next(
            base
            for base in reversed(backend.Variable.__mro__)
            if base.__module__ == "keras.src.backend.common.variables"
            and "__init__" in vars(base)
        )
        original: Callable[..., None] = cls.__init__

        def create(variable: Any, initializer: Any, *args: Any, **kwargs: Any) -> None:
            if callable(initializer) and not isinstance(initializer, type):
                initializer = self._sown(variable, initializer)
            original(variable, initializer, *args, **kwargs)

        create.__wrapped__ = original  # type: ignore[attr-defined]
        cls.__init__ = create

    def _sown(self, variable: Any, initializer: Callable[..., Any]) -> Callable[..., Any]:
        def value_of(shape: Any = None, dtype: Any = None, **kwargs: Any) -> Any:
            # Drawn even where it is not used: what is drawn next should not depend on it.
            drawn = initializer(shape, dtype=dtype, **kwargs)
            return self._exchanged(str(getattr(variable, "path", variable.name)), drawn)

        value_of.__wrapped__ = initializer  # type: ignore[attr-defined]
        return value_of

    def _exchanged(self, path: str, drawn: Any) -> Any:
        ops: Any = importlib.import_module("keras.src.backend")
        try:
            array = ops.convert_to_numpy(drawn)
        except Exception:  # A value that is only traced; it has no number.
            return drawn
        if self._values is None:
            self._drawn.append((path, self._numpy.array(array)))
            return drawn
        for key in keys(path, array.shape, self._counts):
            value = self._values.get(key)
            if value is not None:
                self.put += 1
                return ops.convert_to_tensor(self._nudged(value), dtype=str(array.dtype))
        self.missed += 1
        return drawn

    def _nudged(self, value: Any) -> Any:
        if not self._nudge or value.dtype.kind != "f":
            return value
        noise = self._noise.standard_normal(value.shape) * self._nudge
        return (value * (1 + noise)).astype(value.dtype)

    def save(self, path: Path) -> None:
        """Write what was drawn, if this run keeps it."""
        if self._values is not None:
            return
        arrays = {}
        for number, (_, value) in enumerate(self._drawn):
            # NumPy's own file format knows nothing of bfloat16.
            known = value.dtype.kind in "fiub" and value.dtype.isbuiltin
            arrays[f"value-{number}"] = value if known else value.astype("float32")
        paths = json.dumps([name for name, _ in self._drawn])
        try:
            self._numpy.savez(path, paths=self._numpy.array(paths), **arrays)
        except (OSError, zipfile.LargeZipFile):
            path.unlink(missing_ok=True)
            raise


def keys(
    path: str, shape: tuple[int, ...], counts: Counter[tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    """Return the names a variable goes by, the most telling first.

    Args:
        path: its path.
        shape: its shape.
        counts: how many variables had a name so far; counted up.
    """
    parts = path.split("/")
    found = []
    for scheme in SCHEMES:
        name = (scheme, "/".join(parts[-scheme:]), tuple(shape))
        counts[name] += 1
        found.append((*name, counts[name]))
    return found
