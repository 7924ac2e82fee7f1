"""Keras' public names: which are the same, what takes what, what is a kind of what.

``api.json`` was read from Keras' source (``tests/keras_api.py``); Keras is never imported.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

MODEL, LAYER = "keras.Model", "keras.Layer"
# What TensorFlow calls Keras, and where some of it is found besides.
PREFIXES = (
    ("tensorflow.keras", "keras"),
    ("tensorflow.compat.v2.keras", "keras"),
    ("keras._tf_keras.keras", "keras"),
    ("keras.api", "keras"),
    ("keras.engine", "keras.models"),
)
# Short names of losses and metrics, from their ``ALL_OBJECTS_DICT``.
SHORT = {
    "bce": "BinaryCrossentropy",
    "kld": "KLDivergence",
    "mae": "MeanAbsoluteError",
    "mse": "MeanSquaredError",
    "mape": "MeanAbsolutePercentageError",
    "msle": "MeanSquaredLogarithmicError",
}
# Classes of Keras 2 and 3.0 to 3.14 that the newest release lacks or calls something else.
GONE = {"keras.utils.Sequence": "keras.utils.PyDataset"}


@cache
def table() -> dict[str, dict[str, Any]]:
    """Return what was read from Keras' source."""
    text = files("krepro.scan").joinpath("api.json").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = json.loads(text)
    found["aliases"].update(GONE)
    return found


@cache
def canonical(path: str) -> str:
    """Return the one name by which a thing is known here: ``keras.Model`` for all its names."""
    for prefix, name in PREFIXES:
        if path == prefix or path.startswith(prefix + "."):
            path = name + path[len(prefix) :]
    alias: str = table()["aliases"].get(path, path)
    return alias


def is_keras(path: str) -> bool:
    """Whether a name is Keras' own."""
    return path == "keras" or path.startswith("keras.")


def is_class(path: str) -> bool:
    """Whether a canonical name is a class of Keras: known, or by its looks."""
    if path in table()["classes"]:
        return True
    last = path.rpartition(".")[2]
    return (
        is_keras(path)
        and path not in table()["functions"]
        and last[:1].isupper()
        and not last.isupper()
    )


def is_function(path: str) -> bool:
    """Whether a canonical name is a function of Keras."""
    return path in table()["functions"]


@cache
def ancestors(path: str) -> tuple[str, ...]:
    """Return a class of Keras and what it derives from."""
    entry = table()["classes"].get(path)
    found = [path]
    for base in entry["bases"] if entry else guessed_bases(path):
        found += ancestors(base)
    return tuple(dict.fromkeys(found))


def guessed_bases(path: str) -> list[str]:
    """Return what a class that the newest release lacks derives from, by the module it is in."""
    by_module = {
        "keras.layers": LAYER,
        "keras.callbacks": "keras.callbacks.Callback",
        "keras.losses": "keras.Loss",
        "keras.metrics": "keras.Metric",
        "keras.optimizers": "keras.Optimizer",
        "keras.applications": MODEL,
    }
    base = by_module.get(path.rpartition(".")[0])
    return [base] if base and base != path else []


def parameters(path: str) -> list[str]:
    """Return the names of what a class or a function takes, in order."""
    entry = table()["classes"].get(path)
    found: list[str] = entry["parameters"] if entry else table()["functions"].get(path, [])
    return found


@cache
def call_parameters(path: str) -> tuple[str, ...]:
    """Return the names of what a layer is called with, in order; the first is ``inputs``."""
    for each in ancestors(path):
        found = table()["classes"].get(each, {}).get("call")
        if found is not None:
            return ("inputs", *found)
    return ("inputs",)


@cache
def method_parameters(path: str, name: str) -> tuple[str, ...] | None:
    """Return the names of what a method of a class takes; None where there is no such method."""
    for each in ancestors(path):
        found = table()["classes"].get(each, {}).get("methods", {}).get(name)
        if found is not None:
            return tuple(found)
    return None


@cache
def known_methods() -> dict[str, tuple[str, ...]]:
    """Return the methods of models, layers and optimizers with what they take."""
    found: dict[str, tuple[str, ...]] = {}
    for path in ("keras.Optimizer", "keras.Metric", LAYER, "keras.Sequential", MODEL):
        for name, taken in table()["classes"][path]["methods"].items():
            found[name] = tuple(taken)
    return found


def methods_of(path: str) -> dict[str, tuple[str, ...]]:
    """Return the methods that a class brings itself, with what they take."""
    found = table()["classes"][path]["methods"]
    return {name: tuple(taken) for name, taken in found.items()}


def is_known(path: str) -> bool:
    """Whether a canonical name is in the table."""
    return path in table()["classes"] or path in table()["functions"]


def names() -> list[str]:
    """Return all names that are known."""
    return [*table()["classes"], *table()["functions"], *table()["aliases"]]


@cache
def by_string(text: str, wanted: str) -> bool | None:
    """Return whether a string means a class or a function of Keras, as ``compile`` takes it.

    None: it is no name of Keras' kind at all, so nobody can tell.
    """
    last = wanted.rpartition(".")[2]
    # "MSE" and "mse" are MeanSquaredError; "adam" and "Adam" are Adam.
    meant = SHORT.get(text.lower(), text)
    return flat(meant) == flat(last)


def flat(name: str) -> str:
    """Return a name without what sets its spellings apart."""
    return re.sub("_", "", name).lower()
