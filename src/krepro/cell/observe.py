"""Read the state of models for a recording, changing nothing of it."""

from __future__ import annotations

import importlib
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from krepro.cell.tape import Writer, describe

# Longer lists are values, not structure.
LONGEST, DEEPEST = 2000, 3


class Observer:
    """Looks at models, weights, optimizers and values, and tells a tape of new models."""

    def __init__(self, writer: Writer) -> None:
        """Write samples of arrays to a tape."""
        self._writer = writer
        self._backend: Any = importlib.import_module("keras.src.backend")
        self._models: dict[int, tuple[int, Callable[[], Any]]] = {}
        self._count = 0
        self._guard = threading.Lock()

    def number_of(self, model: Any) -> int | None:
        """Return the number of a model, telling of it where it is new."""
        if model is None:
            return None
        with self._guard:
            known = self._models.get(id(model))
            if known and known[1]() is model:
                return known[0]
            number = self._count
            self._count += 1
            self._models[id(model)] = number, weakref.ref(model)
            self._writer.tell("model", name=str(model.name), cls=type(model).__name__)
        return number

    def models(self) -> Iterator[tuple[int, Any]]:
        """Yield the models that are still there, by number."""
        known = sorted(self._models.values(), key=lambda entry: entry[0])
        for number, reference in known:
            model = reference()
            if model is not None:
                yield number, model

    def array(self, value: Any) -> Any:
        """Return a value as a NumPy array, or None where it has no number."""
        try:
            return self._backend.convert_to_numpy(getattr(value, "value", value))
        except Exception:  # It is only traced, or it is gone.
            return None

    def number(self, value: Any) -> Any:
        """Return a scalar as a float, anything else as a sketch or in words."""
        if isinstance(value, (bool, int, float)):
            return float(value)
        array = self.array(value) if not isinstance(value, str) else None
        if array is None or array.dtype.kind in "OUSMm":
            words = describe(value)
            return words if words is None or isinstance(words, str) else str(words)
        single = array.size == 1 and array.dtype.kind != "c"
        return float(array.reshape(())) if single else self._writer.sketch(array)

    def logs(self, logs: Any) -> Iterator[tuple[str, Any]]:
        """Yield the names and values of logs, in their order."""
        if not isinstance(logs, Mapping):
            return
        for name, value in logs.items():
            if isinstance(value, Mapping):
                for inner, number in self.logs(value):
                    yield f"{name}/{inner}", number
            else:
                yield str(name), self.number(value)

    def structure(self, value: Any, depth: int = 0) -> Any:
        """Return what a call returned: containers as they are, arrays as sketches."""
        if hasattr(value, "history") and hasattr(value, "epoch"):
            value = value.history
        if isinstance(value, Mapping) and depth < DEEPEST:
            items = value.items()
            return {"dict": [[str(k), self.structure(v, depth + 1)] for k, v in items]}
        if isinstance(value, (list, tuple)) and depth < DEEPEST and len(value) <= LONGEST:
            found = [self.structure(item, depth + 1) for item in value]
            return {"list" if isinstance(value, list) else "tuple": found}
        if value is None or isinstance(value, str):
            return value
        # A batch of one keeps its shape.
        array = self.array(value) if hasattr(value, "shape") else None
        shaped = array is not None and array.ndim and array.dtype.kind in "fiubc"
        return self._writer.sketch(array) if shaped else self.number(value)

    def weights(self, model: Any, given: Sequence[Any] | None = None) -> dict[str, Any]:
        """Return sketches of a model's weights by name, or of variables that are given."""
        try:
            variables = list(model.weights if given is None else given)
        except Exception:  # Not built, or its weights are lost.
            return {}
        values = training_values(model) if given is None else {}
        found: dict[str, Any] = {}
        for name, variable in zip(names_of(variables), variables, strict=True):
            array = self.array(values.get(id(variable), variable))
            if array is not None:
                found[name] = self._writer.sketch(array, key=id(variable))
        return found

    def trainable(self, model: Any) -> list[str]:
        """Return the names of the weights that a model would train now."""
        try:
            wanted = {id(variable) for variable in model.trainable_weights}
            variables = list(model.weights)
        except Exception:
            return []
        return [
            name
            for name, variable in zip(names_of(variables), variables, strict=True)
            if id(variable) in wanted
        ]

    def optimizer(self, model: Any) -> dict[str, Any] | None:
        """Return the class, the step, the rate and the shapes of a model's optimizer."""
        optimizer = getattr(model, "optimizer", None)
        if optimizer is None:
            return None
        found: dict[str, Any] = {"class": type(optimizer).__name__}
        try:
            found["slots"] = [list(variable.shape) for variable in optimizer.variables]
            found["iterations"] = self.number(optimizer.iterations)
            found["learning_rate"] = self.number(optimizer.learning_rate)
        except Exception:  # Not built, or a release that keeps one elsewhere.
            return found
        return found


def training_values(model: Any) -> dict[int, Any]:
    """Return the values that JAX's training loop holds beside the variables, by the id of these."""
    state = getattr(model, "_jax_state", None)
    # Once the variables have these values too, they are left where they are, and grow stale.
    if not isinstance(state, Mapping) or getattr(model, "_jax_state_synced", True):
        return {}
    found: dict[int, Any] = {}
    for kind in ("trainable_variables", "non_trainable_variables"):
        values = state.get(kind)
        if values is not None:
            found |= {
                id(variable): value
                for variable, value in zip(getattr(model, kind), values, strict=False)
            }
    return found


def names_of(variables: Sequence[Any]) -> list[str]:
    """Return names for variables: layer and weight, numbered where they are the same."""
    counts: Counter[str] = Counter()
    found = []
    for variable in variables:
        path = str(getattr(variable, "path", None) or variable.name)
        name = "/".join(path.split("/")[-2:])
        counts[name] += 1
        found.append(name if counts[name] == 1 else f"{name}#{counts[name]}")
    return found
