# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.13.2", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "clone_model: recursive=True stops at the second level of nesting"
# kind = "silent"
# area = "nesting"
# issues = [22276]
# introduced = 19610
# fixed = 22276
# docs = ["https://keras.io/api/models/model/"]
# affected = ">=3.3.3,<3.14.0"
# applies = ">=3.3.3"
# keras2 = "not-applicable"
#
# [[tool.krepro.trigger]]
# code = "keras.models.clone_model(model=model, clone_function=not None, recursive=True)"
# where = [
#   "any(isinstance(x, keras.Model) and any(isinstance(y, keras.Model) for y in layers(x)) for x in layers(model))",
# ]
# shows = ["loss", "weights", "trains"]
# ///
"""With `recursive=True` the layers of a model in a model in a model are not replaced.

`clone_model(model, clone_function=f, recursive=True)` promises to clone the layers of
nested models with `f`. One level down it does. Two levels down `f` gets the whole model
instead, so its layers are copied unchanged, without a word: say, the regulariser that
`f` adds to each layer is missing there.

Measured: all backends, from 3.3.3, which brought `recursive`, to 3.13.2.
"""

import inspect
import unittest

import keras


def clone_with_recursion(model, function):
    if "recursive" not in inspect.signature(keras.models.clone_model).parameters:
        raise unittest.SkipTest("this release has no recursive=")
    return keras.models.clone_model(model, clone_function=function, recursive=True)


def nested(depth):
    model = keras.layers.ReLU(name="innermost")
    for _ in range(depth):
        model = keras.Sequential([keras.Input((1,)), model])
    return model


def names_seen(clone, depth):
    seen = []

    def copy(layer):
        seen.append(layer.name)
        return layer.__class__.from_config(layer.get_config())

    clone(nested(depth), copy)
    return seen


def test_function_reaches_layers_two_levels_down():
    """The function is called for the layers of nested models at any depth."""
    seen = names_seen(clone_with_recursion, depth=3)
    assert seen == ["innermost"], f"called for {seen}, promised ['innermost']"


def workaround_recursion_of_ones_own():
    """Have the function clone the models it is given."""

    def clone(model, function):
        def each(layer):
            if isinstance(layer, keras.Model):
                return keras.models.clone_model(layer, clone_function=each)
            return function(layer)

        return each(model)

    seen = names_seen(clone, depth=3)
    assert seen == ["innermost"], f"called for {seen}, promised ['innermost']"


if __name__ == "__main__":
    import sys
    import unittest

    for name, function in list(globals().items()):
        if name.startswith("test_"):
            try:
                function()
            except unittest.SkipTest as reason:
                sys.exit(print(f"{name}: not applicable: {reason}") or 125)
            print(f"{name}: as promised")
