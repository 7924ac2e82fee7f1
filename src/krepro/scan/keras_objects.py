"""What Keras' own classes, functions and objects do, as far as a trigger may ask."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from krepro.scan import api, facts, values
from krepro.scan.events import Arguments
from krepro.scan.values import (
    TRUE,
    Const,
    Foreign,
    Function,
    Mapping,
    Object,
    Sequence,
    Tensor,
    Unknown,
    Value,
)

if TYPE_CHECKING:
    from krepro.scan.expressions import Expressions

SEQUENTIAL = "keras.Sequential"
CALLBACK = "keras.callbacks.Callback"
# What runs the methods of callbacks, and which of them.
HOOKS = {
    "fit": (
        *("on_train_begin", "on_epoch_begin", "on_train_batch_begin", "on_batch_begin"),
        *("on_train_batch_end", "on_batch_end", "on_epoch_end", "on_train_end"),
    ),
    "evaluate": (
        *("on_test_begin", "on_test_batch_begin", "on_test_batch_end", "on_test_end"),
    ),
    "predict": (
        *("on_predict_begin", "on_predict_batch_begin"),
        *("on_predict_batch_end", "on_predict_end"),
    ),
}
STEPS = {
    "fit": ("train_step", "test_step"),
    "train_on_batch": ("train_step",),
    "evaluate": ("test_step",),
    "test_on_batch": ("test_step",),
    "predict": ("predict_step",),
}
TRAINS = {"fit", "train_on_batch"}
# What each of Keras' methods returns, where that is no Keras object.
RETURNS = {
    "fit": "keras.callbacks.History",
    "evaluate": "builtins.float?",
    "predict": "numpy.ndarray",
    "train_on_batch": "builtins.float?",
    "test_on_batch": "builtins.float?",
    "predict_on_batch": "numpy.ndarray",
    "get_weights": "builtins.list?",
    "get_config": "builtins.dict?",
    "to_json": "builtins.str?",
    "result": "keras.tensor",
}
LOADERS = (
    "keras.saving.load_model",
    "keras.saving.deserialize_keras_object",
    "keras.models.model_from_json",
)


def bound(names: Iterable[str], given: Arguments) -> dict[str, Value]:
    """Return what a call gives, by the names of the parameters."""
    positional = list(names)
    found: dict[str, Value] = {}
    for number, value in enumerate(given.positional):
        if number >= len(positional):
            break
        if positional[number].startswith("*"):
            found[positional[number][1:]] = values.sequence(
                given.positional[number:], "tuple"
            )
            break
        found[positional[number]] = value
    found.update(given.keywords)
    return found


# --- attributes ---------------------------------------------------------------------------


def attribute(owner: Object, name: str) -> Value | None:
    """Return an attribute of one of Keras' objects, or None where nothing is known of it."""
    if facts.is_instance(owner, api.MODEL):
        found = of_model(owner, name)
        if found is not None:
            return found
    found = owner.state.get(name)
    if isinstance(found, Value):
        return found
    if name in owner.arguments:
        return owner.arguments[name]
    if name == "trainable" and owner.user is None and not owner.open and not owner.told:
        return TRUE
    return None


def of_model(model: Object, name: str) -> Value | None:
    """Return an attribute of a model that stands for its structure or its ``compile``."""
    handler = OF_MODEL.get(name)
    return handler(model) if handler else None


def _layers(model: Object) -> Value:
    found, complete = facts.layers(model)
    layers = values.sequence(found, exact=complete)
    if not complete:
        layers.state["element"] = Object(
            api.LAYER, open=True, told=True, state={"owner": model}
        )
    return layers


def _outputs(model: Object) -> Value | None:
    structure = facts.outputs(model)
    return None if structure is None else values.sequence(values.leaves(structure))


def _inputs(model: Object) -> Value | None:
    structure = model.state.get("inputs")
    return (
        values.sequence(values.leaves(structure)) if isinstance(structure, Value) else None
    )


def _input(model: Object) -> Value:
    structure = model.state.get("inputs")
    return structure if isinstance(structure, Value) else Tensor(None, masked=None)


def _output_names(model: Object) -> Value | None:
    names = facts.output_names(model)
    return None if names is None else values.sequence(names)


def _loss(model: Object) -> Value | None:
    return None if "loss" in model.state else facts.compiled_with(model, "loss")


OF_MODEL: dict[str, Callable[[Object], Value | None]] = {
    "layers": _layers,
    "outputs": _outputs,
    "output": facts.outputs,
    "inputs": _inputs,
    "input": _input,
    "output_names": _output_names,
    "loss": _loss,
}


# --- building -----------------------------------------------------------------------------


def call_keras(run: Expressions, path: str, given: Arguments, node: ast.AST) -> Value:
    """Return what a call of one of Keras' public names returns."""
    if path in {"keras.Input", "keras.layers.Input"}:
        return input_tensor(run, given, node)
    if api.is_class(path):
        found = Object(path, open=given.open)
        initialize(run, found, given)
        run.tell("new", path, node, found, found.arguments, open_=given.open, result=found)
        return found
    arguments = bound(api.parameters(path), given)
    run.tell("function", path, node, None, arguments, open_=given.open)
    if path == "keras.models.clone_model":
        return cloned(arguments.get("model"))
    made = made_by(path, arguments)
    if made is not None:
        return made
    tensors = [v for a in given.all for v in values.leaves(a) if isinstance(v, Tensor)]
    return (
        Tensor(None, tuple(tensors), masked=None)
        if tensors
        else Foreign(path, tuple(given.all))
    )


def made_by(path: str, arguments: dict[str, Value]) -> Object | None:
    """Return the object that one of Keras' functions makes, if it makes one."""
    parent, _, last = path.rpartition(".")
    if last == "from_config" and api.is_class(parent):
        return Object(parent, open=True, told=True)
    if path in LOADERS:
        return Object(api.MODEL, open=True, told=True, state={"loaded": TRUE})
    if path.startswith("keras.applications.") and last[:1].isupper():
        return Object(api.MODEL, open=True, told=True, arguments=arguments)
    return None


def input_tensor(run: Expressions, given: Arguments, node: ast.AST) -> Tensor:
    """Return what ``keras.Input`` returns."""
    names = ("shape", "batch_size", "dtype", "sparse", "batch_shape", "name", "tensor")
    arguments = bound(names, given)
    run.tell("function", "keras.Input", node, None, arguments, open_=given.open)
    producer = Object("keras.layers.InputLayer", arguments=arguments)
    shape = arguments.get("shape")
    rank = len(shape.items) + 1 if isinstance(shape, Sequence) and shape.exact else None
    return Tensor(producer, rank=rank)


def initialize(run: Expressions, found: Object, given: Arguments) -> None:
    """Do what the ``__init__`` of Keras' class of an object does."""
    if not found.cls:
        return
    arguments = bound(api.parameters(found.cls), given)
    found.arguments.update(arguments)
    found.open = found.open or given.open
    if facts.is_instance(found, SEQUENTIAL):
        layers = arguments.get("layers")
        own = values.sequence(())
        found.state["layers"] = own
        if isinstance(layers, Sequence):
            own.state["exact"] = layers.exact
            for layer in layers.items:
                add_layer(run, found, layer)
        elif layers is not None and layers != values.NONE:
            own.state["exact"] = False
    elif facts.is_instance(found, api.MODEL):
        for name in ("inputs", "outputs"):
            if name in arguments:
                run.write(found.state, name, arguments[name])
        if "outputs" in arguments:
            run.write(found.state, "built", TRUE)


def add_layer(run: Expressions, model: Object, layer: Value) -> None:
    """Do what ``Sequential.add`` does."""
    held = model.state.get("layers")
    if not isinstance(held, Sequence):
        return
    if isinstance(layer, Tensor) and layer.producer is not None:
        layer = layer.producer
    if isinstance(layer, Object) and layer.cls == "keras.layers.InputLayer":
        run.write(model.state, "built", TRUE)
        return
    run.extend(held, values.sequence([layer]))
    shaped = isinstance(layer, Object) and (
        {"input_shape", "input_dim", "batch_input_shape"} & set(layer.arguments)
        or layer.state.get("built") == TRUE
    )
    if shaped:
        run.write(model.state, "built", TRUE)
    if model.state.get("built") == TRUE and isinstance(layer, Object):
        run.write(layer.state, "built", TRUE)


def cloned(model: Value | None) -> Value:
    """Return what ``clone_model`` returns: a model of layers of its own."""
    if not isinstance(model, Object) or model.user is not None:
        return Object(api.MODEL, open=True, told=True)
    copies: dict[int, Value] = {}
    found = Object(
        model.cls, arguments=dict(model.arguments), open=model.open, told=model.told
    )
    if model.state.get("built") == TRUE:
        found.state["built"] = TRUE
    held = model.state.get("layers")
    if isinstance(held, Sequence):
        copied = (copy_of(layer, copies) for layer in held.items)
        found.state["layers"] = values.sequence(copied, exact=held.exact)
    for name in ("inputs", "outputs"):
        structure = model.state.get(name)
        if isinstance(structure, Value):
            found.state[name] = copy_of(structure, copies)
    return found


def copy_of(value: Value, copies: dict[int, Value], depth: int = 60) -> Value:
    """Return a copy of a structure of tensors and layers, the same copy for the same thing."""
    if id(value) in copies or depth == 0:
        return copies.get(id(value), Unknown())
    found: Value = value
    if isinstance(value, Sequence):
        items = (copy_of(item, copies, depth - 1) for item in value.items)
        found = values.sequence(items, value.kind, exact=value.exact)
    elif isinstance(value, Mapping):
        entries = ((k, copy_of(v, copies, depth - 1)) for k, v in value.items)
        found = values.mapping(entries, exact=value.exact)
    elif isinstance(value, Tensor):
        producer = copy_of(value.producer, copies, depth - 1) if value.producer else None
        parents = tuple(copy_of(p, copies, depth - 1) for p in value.parents)
        found = Tensor(
            producer if isinstance(producer, Object) else None,
            parents,
            value.masked,
            value.rank,
            value.index,
        )
    elif isinstance(value, Object) and facts.is_instance(value, api.MODEL):
        found = cloned(value)
    elif isinstance(value, Object):
        state = {k: v for k, v in value.state.items() if k == "built"}
        found = Object(value.cls, value.user, dict(value.arguments), value.open, state)
    copies[id(value)] = found
    return found


# --- calling ------------------------------------------------------------------------------


def call_layer(run: Expressions, layer: Object, given: Arguments, node: ast.AST) -> Value:
    """Return what calling a layer, a model, a loss or a metric returns."""
    is_layer = facts.is_instance(layer, api.LAYER)
    if not layer.cls or is_layer is False:
        if layer.cls:
            run.tell("call", "__call__", node, layer, bound((), given), open_=given.open)
        return Foreign("keras.tensor") if layer.cls else Unknown()
    names = ("inputs",) if layer.user is not None else api.call_parameters(layer.cls)
    arguments = bound(names, given)
    run.tell("call", "__call__", node, layer, arguments, open_=given.open)
    mark_built(run, layer)
    inputs = [v for a in given.all for v in values.leaves(a)]
    tensors: list[Value] = [v for v in inputs if isinstance(v, Tensor)]
    if not tensors and inputs and all(isinstance(v, Foreign | Const) for v in inputs):
        return Foreign("keras.tensor")
    structure = facts.outputs(layer) if facts.is_instance(layer, api.MODEL) else None
    if structure is None or isinstance(structure, Tensor):
        return facts.applied(layer, tensors)
    count = iter(range(len(list(values.leaves(structure)))))
    return shaped(structure, lambda: facts.applied(layer, tensors, next(count, None)))


def shaped(structure: Value, make: object) -> Value:
    """Return a structure like another one with new tensors in it."""
    if isinstance(structure, Sequence):
        items = [shaped(item, make) for item in structure.items]
        return values.sequence(items, structure.kind, exact=structure.exact)
    if isinstance(structure, Mapping):
        entries = [(k, shaped(v, make)) for k, v in structure.items]
        return values.mapping(entries, exact=structure.exact)
    found = make() if callable(make) else None
    return found if isinstance(found, Value) else Unknown()


def mark_built(run: Expressions, layer: Object) -> None:
    """Note that a layer has its weights from now on, and what it is made of."""
    if layer.state.get("built") != TRUE:
        run.write(layer.state, "built", TRUE)
        for each in facts.layers(layer)[0]:
            if isinstance(each, Object):
                mark_built(run, each)


def call_method(
    run: Expressions, owner: Object, name: str, given: Arguments, node: ast.AST
) -> Value:
    """Return what a method of one of Keras' objects returns."""
    if name == "__init__":
        initialize(run, owner, given)
        return values.NONE
    if name in {"__call__", "call"} and facts.is_instance(owner, api.LAYER):
        return call_layer(run, owner, given, node)
    names = api.method_parameters(owner.cls, name)
    if names is None:
        # Of a class whose bases are not known, say.
        names = api.known_methods().get(name, ())
    arguments = bound(names, given)
    if name == "compile" or name in STEPS:
        see_outputs(run, owner)
    run.tell("call", name, node, owner, arguments, open_=given.open)
    return after_method(run, owner, name, arguments, given)


def see_outputs(run: Expressions, model: Object) -> None:
    """Note what a model of the user's own class returns, by its ``call``."""
    if model.user is None or "returned" in model.state or "outputs" in model.state:
        return
    own = model.user.find("call")
    if isinstance(own, Function):
        found = run.call_function(own, Arguments([Tensor(None, masked=None)], {}), model)
        run.write(model.state, "returned", found)
    elif model.user.find("train_step") is not None:
        # Its step does all the work: what it returns is no output that Keras knows of.
        run.write(model.state, "returned", values.sequence(()))


def after_method(
    run: Expressions,
    owner: Object,
    name: str,
    arguments: dict[str, Value],
    given: Arguments,
) -> Value:
    """Do what a method does to an object; return what it returns."""
    if not facts.is_instance(owner, api.LAYER):
        return Foreign(RETURNS[name]) if name in RETURNS else Unknown(name)
    if name == "compile":
        entries = ((Const(k), v) for k, v in arguments.items())
        run.write(owner.state, "compile()", values.mapping(entries, exact=not given.open))
        run.write(owner.state, "compiled", TRUE)
        run.write(owner.state, "optimizer", optimizer_of(arguments, given))
    elif name == "add" and facts.is_instance(owner, SEQUENTIAL):
        add_layer(run, owner, arguments.get("layer", Unknown()))
    elif name == "build":
        mark_built(run, owner)
    elif name == "get_layer":
        return layer_of(owner, arguments)
    if name in STEPS:
        mark_built(run, owner)
        if name in TRAINS:
            run.write(owner.state, "trained", TRUE)
            used = owner.state.get("optimizer")
            if isinstance(used, Object):
                run.write(used.state, "trained", TRUE)
        run_hooks(run, owner, name, arguments)
    return Foreign(RETURNS[name]) if name in RETURNS else Unknown(name)


def optimizer_of(arguments: dict[str, Value], given: Arguments) -> Value:
    """Return the optimizer that ``compile`` makes of what it is given."""
    name = arguments.get(
        "optimizer", Unknown("optimizer") if given.open else Const("rmsprop")
    )
    if not isinstance(name, Const) or not isinstance(name.value, str):
        return name
    for path in api.table()["classes"]:
        if path.startswith("keras.optimizers.") and api.by_string(name.value, path):
            return Object(path)
    return Unknown(name.value)


def layer_of(model: Object, arguments: dict[str, Value]) -> Value:
    """Return what ``get_layer`` returns."""
    found, complete = facts.layers(model)
    name, index = arguments.get("name"), arguments.get("index")
    for layer in found:
        known = isinstance(layer, Object) and facts.argument(layer, "name")
        if name is not None and known == name:
            return layer
    at = index.value if isinstance(index, Const) else None
    if complete and type(at) is int and -len(found) <= at < len(found):
        return found[at]
    return Object(api.LAYER, open=True, told=True, state={"owner": model})


def run_hooks(
    run: Expressions, model: Object, name: str, arguments: dict[str, Value]
) -> None:
    """Walk through the user's own methods that Keras calls while it trains."""
    for step in STEPS[name]:
        own = model.user.find(step) if model.user is not None else None
        if isinstance(own, Function):
            found = run.call_function(own, Arguments([Foreign("keras.tensor")], {}), model)
            run.tell("call", step, own.node, model, {"returns": found}, module=own.module)
    callbacks = arguments.get("callbacks")
    several = callbacks.items if isinstance(callbacks, Sequence) else (callbacks,)
    for callback in several:
        if isinstance(callback, Object):
            for hook in HOOKS.get(name, ()):
                run_hook(run, model, callback, hook)


def run_hook(run: Expressions, model: Object, callback: Object, hook: str) -> None:
    """Walk through one method of a callback, with the model it is given."""
    given = Arguments([], {}, open=True)
    own = callback.user.find(hook) if callback.user is not None else None
    if isinstance(own, Function):
        run.write(callback.state, "model", model)
        run.call_function(own, given, callback)
    lent = callback.arguments.get(hook)
    if callback.cls == "keras.callbacks.LambdaCallback" and isinstance(lent, Function):
        with run.hooked(hook):
            run.call_function(lent, given)


def call_unknown(
    run: Expressions, owner: Value, name: str, given: Arguments, node: ast.AST
) -> Value:
    """Return what a method of something unknown returns, telling of it if it may be Keras'."""
    names = api.known_methods().get(name)
    if names is not None and isinstance(owner, Unknown):
        arguments = bound(names, given)
        run.tell("call", name, node, owner, arguments, open_=given.open)
        if name == "get_layer":
            return Object(api.LAYER, open=True, told=True, state={"owner": owner})
    tensors = [v for a in given.all for v in values.leaves(a) if isinstance(v, Tensor)]
    if tensors:
        return Tensor(None, tuple(tensors), masked=None)
    return Unknown(name)
