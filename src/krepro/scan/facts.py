"""What is known of a value: three-valued, None where the program's text does not tell. Pure."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from krepro.scan import api
from krepro.scan.values import (
    Const,
    Either,
    Foreign,
    Function,
    Mapping,
    Method,
    Module,
    Name,
    Object,
    Partial,
    Sequence,
    Tensor,
    Unknown,
    UserClass,
    Value,
    leaves,
    whole,
)

# Packages whose objects are never Keras' own, so that their ``fit`` and ``compile`` are their own.
FOREIGN = {
    *sys.stdlib_module_names,
    *("cv2", "datasets", "gym", "gymnasium", "h5py", "imblearn", "jax", "jaxlib", "joblib"),
    *("lightgbm", "matplotlib", "networkx", "nltk", "numba", "numpy", "nvidia", "onnx"),
    *("onnxruntime", "optax", "optuna", "pandas", "PIL", "plotly", "polars", "pyarrow"),
    *(
        "pytest",
        "requests",
        "scipy",
        "seaborn",
        "skimage",
        "sklearn",
        "spacy",
        "statsmodels",
    ),
    *(
        "sympy",
        "tensorflow",
        "tensorflow_datasets",
        "tf_keras",
        "torch",
        "torchvision",
        "tqdm",
    ),
    *("transformers", "wandb", "xgboost", "yaml"),
}
# Functions of other packages that return what they were given, for what matters here.
TRANSPARENT = ("tensorflow.function", "jax.jit", "functools.wraps", "functools.cache")
LITERALS = {
    bool: "builtins.bool",
    int: "builtins.int",
    float: "builtins.float",
    str: "builtins.str",
    bytes: "builtins.bytes",
    type(None): "builtins.NoneType",
}
# What stands for a class in ``isinstance``: what was returned by something of one of these names.
RETURNED_BY = {
    "tensorflow.data.Dataset": ("tensorflow.data.",),
    "numpy.ndarray": ("numpy.",),
    "torch.Tensor": ("torch.",),
    "torch.utils.data.DataLoader": ("torch.utils.data.DataLoader",),
    "pandas.DataFrame": ("pandas.",),
}
GENERATOR = "types.GeneratorType"
# Layers after which there is no mask; others of Keras' layers hand it on.
MASK_ENDS = {
    *("Flatten", "Reshape", "Conv1D", "Conv2D", "Conv3D", "GlobalAveragePooling1D"),
    *("GlobalMaxPooling1D", "MaxPooling1D", "AveragePooling1D", "Dot", "RepeatVector"),
    *("Lambda", "Permute", "UpSampling1D", "ZeroPadding1D", "Cropping1D"),
}
# The state of a list of which nothing is known.
NOTHING_KNOWN: dict[str, Any] = {"items": (), "exact": False}
RECURRENT = {"LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D"}


def any_of(truths: Iterable[bool | None]) -> bool | None:
    """Return whether any is true, where some may not be known."""
    found: bool | None = False
    for each in truths:
        if each:
            return True
        if each is None:
            found = None
    return found


def opposite(truth: bool | None) -> bool | None:
    """Return the opposite of what is known."""
    return None if truth is None else not truth


def truth(value: Value) -> bool | None:
    """Return whether a value counts as true."""
    if isinstance(value, Const):
        return bool(value.value)
    if isinstance(value, Sequence | Mapping):
        return True if value.items else (False if value.exact else None)
    if isinstance(value, Object | Function | Name | UserClass | Method | Partial | Module):
        return True
    if isinstance(value, Either):
        return agreed(truth(option) for option in value.options)
    return None


def same(first: Value, second: Value) -> bool | None:
    """Return whether two values are equal."""
    if first is second:
        return True
    for one, other in ((first, second), (second, first)):
        if isinstance(one, Either):
            return agreed(same(option, other) for option in one.options)
    if isinstance(first, Unknown | Foreign) or isinstance(second, Unknown | Foreign):
        return None
    if isinstance(first, Const) and isinstance(second, Const):
        return bool(first.value == second.value)
    if isinstance(first, Sequence) and isinstance(second, Sequence):
        return same_items(first, second)
    dicts = isinstance(first, Mapping) and isinstance(second, Mapping)
    return None if dicts else first == second


def agreed(truths: Iterable[bool | None]) -> bool | None:
    """Return what several answers say, if they say the same."""
    found = set(truths)
    return found.pop() if len(found) == 1 else None


def same_items(first: Sequence, second: Sequence) -> bool | None:
    """Return whether two lists or tuples are equal."""
    if first.kind != second.kind:
        return False
    if not (first.exact and second.exact) or first.kind == "set":
        return None
    if len(first.items) != len(second.items):
        return False
    found = [same(a, b) for a, b in zip(first.items, second.items, strict=True)]
    if False in found:
        return False
    return None if None in found else True


def lineage(value: Object) -> Iterator[str]:
    """Yield the dotted names of an object's class and all that it derives from."""
    if value.user is None:
        yield from api.ancestors(value.cls)
        return
    for each in value.user.line():
        if isinstance(each, str):
            yield from api.ancestors(each) if each else ("",)


def is_instance(value: Value, path: str) -> bool | None:
    """Return whether a value is of a class, by the class's canonical name."""
    if isinstance(value, Either):
        return agreed(is_instance(option, path) for option in value.options)
    if isinstance(value, Unknown):
        return None
    if isinstance(value, Object):
        return object_is(value, path)
    if isinstance(value, Foreign):
        return foreign_is(value, path)
    return path == literal_class(value)


def literal_class(value: Value) -> str:
    """Return the name of the class of one of Python's own values."""
    if isinstance(value, Const):
        return LITERALS.get(type(value.value), "")
    if isinstance(value, Sequence):
        return f"builtins.{value.kind}"
    return "builtins.dict" if isinstance(value, Mapping) else ""


def object_is(value: Object, path: str) -> bool | None:
    """Return whether an object is of a class; None: it may be of one derived from its own."""
    names = api.ancestors(value.cls) if value.user is None else tuple(lineage(value))
    if path in names:
        return True
    narrower = value.told and api.is_keras(path) and value.cls in api.ancestors(path)
    return None if "" in names or narrower else False


def foreign_is(value: Foreign, path: str) -> bool | None:
    """Return whether what another package returned is of a class, by the names of both."""
    if value.path == path:
        return True
    if value.path == GENERATOR or api.is_keras(path) or path.startswith("builtins."):
        plain = value.path.startswith("builtins.") and path.startswith("builtins.")
        return None if plain and value.path.endswith("?") else False
    wanted = RETURNED_BY.get(path, (path,))
    if value.path.startswith(wanted):
        return True
    known = any(value.path.startswith(prefixes) for prefixes in RETURNED_BY.values())
    return False if known or path == GENERATOR else None


def kind_is(value: Value, path: str) -> bool | None:
    """Return whether an object is of one of Keras' kinds; None only where it may well be."""
    if isinstance(value, Unknown | Either | Object):
        return is_instance(value, path)
    return False


def overrides(value: Value, name: str) -> bool | None:
    """Return whether the user's class of an object defines a method itself."""
    if isinstance(value, UserClass):
        return value.find(name) is not None
    if isinstance(value, Object):
        if value.user is None:
            return None if value.told else False
        if value.user.find(name) is not None:
            return True
        return None if "" in tuple(lineage(value)) else False
    return None if isinstance(value, Unknown | Either) else False


# --- models -------------------------------------------------------------------------------


def outputs(model: Value) -> Value | None:
    """Return the structure of a functional model's outputs, or None where it is not known."""
    if not isinstance(model, Object):
        return None
    found = model.state.get("outputs")
    if isinstance(found, Value) and not isinstance(found, Unknown):
        return found
    if is_instance(model, "keras.Sequential"):
        return sequential_output(model)
    found = model.state.get("returned")
    known = isinstance(found, Tensor | Sequence | Mapping)
    return found if known and isinstance(found, Value) else None


def sequential_output(model: Object) -> Value | None:
    """Return the output of a Sequential model, as a tensor."""
    layers = model.state.get("layers")
    if not isinstance(layers, Sequence) or not layers.exact:
        return Tensor(None, masked=None)
    tensor = Tensor(None)
    for layer in layers.items:
        if isinstance(layer, Object):
            tensor = applied(layer, [tensor])
        else:
            tensor = Tensor(None, masked=None)
    return tensor


def applied(layer: Object, inputs: list[Value], index: int | None = None) -> Tensor:
    """Return the tensor that a layer makes of tensors."""
    return Tensor(layer, tuple(inputs), masked=mask_after(layer, inputs), index=index)


def mask_after(layer: Object, inputs: list[Value]) -> bool | None:
    """Return whether what a layer returns carries a mask."""
    name = layer.cls.rpartition(".")[2]
    carried = any_of(t.masked for t in inputs if isinstance(t, Tensor))
    if layer.user is not None:
        return False if carried is False else None
    if name == "Embedding":
        given = argument(layer, "mask_zero")
        return False if given is None else truth(given)
    if is_instance(layer, api.MODEL):
        return mask_of_model(layer, carried)
    inner = argument(layer, "layer")
    if name == "Bidirectional" and isinstance(inner, Object):
        return mask_after(inner, inputs)
    if name in RECURRENT and not truth(argument(layer, "return_sequences") or Const(None)):
        return False
    return name == "Masking" or (carried if name not in MASK_ENDS else False)


def mask_of_model(model: Object, carried: bool | None) -> bool | None:
    """Return whether what a model returns carries a mask: one made in it, or one handed on."""
    found = outputs(model)
    tensors = [t for t in leaves(found) if isinstance(t, Tensor)] if found else []
    made = any_of(t.masked for t in tensors) if tensors else None
    return made if made or carried is False else None


def argument(value: Object, name: str) -> Value | None:
    """Return what an object was built with under a name, or what the attribute was set to."""
    found = value.state.get(name)
    if isinstance(found, Value):
        return found
    return value.arguments.get(name)


def tensors_behind(structure: Value) -> Iterator[Tensor]:
    """Yield all tensors that a structure of tensors was made of, each once."""
    seen: set[int] = set()
    pending = list(leaves(structure))
    while pending:
        each = pending.pop()
        if isinstance(each, Tensor) and id(each) not in seen:
            seen.add(id(each))
            yield each
            pending.extend(each.parents)


def layers(model: Value) -> tuple[list[Value], bool]:
    """Return the layers that a model is made of, and whether these are all."""
    if not isinstance(model, Object):
        return [], False
    if is_instance(model, "keras.Sequential"):
        held = model.state.get("layers")
        own = held if isinstance(held, Sequence) else Sequence("list", NOTHING_KNOWN)
        return list(own.items), own.exact and not model.open
    structure = model.state.get("outputs")
    if isinstance(structure, Value) and not isinstance(structure, Unknown):
        tensors = list(tensors_behind(structure))
        found_layers = {id(t.producer): t.producer for t in tensors if t.producer}
        return list(reversed(found_layers.values())), whole(structure)
    if model.user is not None:
        return attached(model), False
    inner = argument(model, "layer")
    if isinstance(inner, Object):
        return [inner], True
    return [], not model.told and not is_instance(model, api.MODEL)


def attached(model: Object) -> list[Value]:
    """Return the layers that a user's own model or layer holds in its attributes."""
    held = (
        leaf for v in model.state.values() if isinstance(v, Value) for leaf in leaves(v)
    )
    return [v for v in held if isinstance(v, Object) and is_instance(v, api.LAYER)]


def all_layers(
    model: Value, depth: int = 8, *, made: bool = False
) -> tuple[list[Value], bool]:
    """Return the layers of a model at all depths, and whether these are all.

    ``made``: all that the program can have made itself, so that what is in a model of
    ``keras.applications``, or in one that was loaded, does not matter.
    """
    found, complete = layers(model)
    if made and isinstance(model, Object) and model.told and model.user is None:
        complete = True
    for each in tuple(found):
        if depth and isinstance(each, Object) and holds_layers(each):
            below, all_below = all_layers(each, depth - 1, made=made)
            found += [layer for layer in below if layer not in found]
            complete = complete and all_below
        elif not isinstance(each, Object):
            complete = False
    return found, complete


def holds_layers(layer: Object) -> bool:
    """Whether a layer has layers of its own."""
    return (
        layer.user is not None
        or is_instance(layer, api.MODEL) is not False
        or isinstance(argument(layer, "layer"), Object)
    )


def is_inside(layer: Value, model: Value) -> bool | None:
    """Return whether a layer or a model is part of a model, at any depth."""
    if layer is model:
        return False
    made = isinstance(layer, Object) and not layer.told
    found, complete = all_layers(model, made=made)
    if any(each is layer for each in found):
        return True
    owner = layer.state.get("owner") if isinstance(layer, Object) else None
    if isinstance(owner, Object):
        return True if owner is model else is_inside(owner, model)
    unsure = isinstance(layer, Unknown | Either) or isinstance(model, Unknown | Either)
    return None if unsure or not complete else False


def output_names(model: Value) -> list[Value] | None:
    """Return the names of a functional model's outputs, in order; None where unknown."""
    structure = outputs(model)
    if structure is None or not whole(structure):
        return None
    if isinstance(model, Object) and "returned" in model.state:
        # Keras names outputs by the layers of a functional model; here it has none to go by.
        return None
    found: list[Value] = []
    for tensor in leaves(structure):
        producer = tensor.producer if isinstance(tensor, Tensor) else None
        given = argument(producer, "name") if producer is not None else None
        found.append(given if isinstance(given, Const) else Unknown("name"))
    return found


def compiled_with(model: Value, name: str) -> Value | None:
    """Return what the last ``compile`` of a model was given under a name."""
    given = model.state.get("compile()") if isinstance(model, Object) else None
    return given.get(name) if isinstance(given, Mapping) else None
