"""Control runs with another chance: rounding of another kind, or no random layers.

Two builds of the same sum differ in its last bits. What comes of that in many steps depends on the
training: an optimizer that divides a gradient by its own size, as Adam does, turns a gradient that
is zero but for rounding into a full step. So a control run gets rounding errors of its own, in
every step, and what differs then says nothing of Keras.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Sequence
from typing import Any

# By the largest gradient: some last bits of a float32, and of a float16.
FLOAT32, FLOAT16 = 1e-6, 4e-3


def install() -> None:
    """Add to every gradient, before it is applied, what rounding might have added."""
    base: Any = importlib.import_module("keras.src.optimizers.base_optimizer")
    original = base.BaseOptimizer.apply

    @functools.wraps(original)
    def apply(optimizer: Any, grads: Any, trainable_variables: Any = None) -> Any:
        return original(optimizer, jittered(list(grads)), trainable_variables)

    base.BaseOptimizer.apply = apply


def stand_still() -> None:
    """Have random layers draw nothing: dropout lets all pass, noise is its mean.

    Backends draw other numbers from the same seed, so what two of them train with random layers
    cannot be compared otherwise. Initial weights are put in, whatever is drawn for them.
    """
    backend: Any = importlib.import_module("keras.src.backend")
    ops: Any = importlib.import_module("keras").ops

    def dropout(inputs: Any, *_: Any, **__: Any) -> Any:
        return inputs

    def normal(shape: Any, mean: float = 0.0, *_: Any, **more: Any) -> Any:
        return ops.zeros(shape, dtype=more.get("dtype") or backend.floatx()) + mean

    def uniform(shape: Any, minval: float = 0.0, maxval: float = 1.0, **more: Any) -> Any:
        dtype = more.get("dtype") or backend.floatx()
        return ops.zeros(shape, dtype=dtype) + (minval + maxval) / 2

    backend.random.dropout = dropout
    backend.random.normal = backend.random.truncated_normal = normal
    backend.random.uniform = uniform


def jittered(grads: Sequence[Any]) -> list[Any]:
    """Return gradients with an error in their last bits, by the largest of all."""
    keras: Any = importlib.import_module("keras")
    numpy: Any = importlib.import_module("numpy")
    ops = keras.ops
    dense = [grad for grad in grads if is_dense(grad)]
    if not dense:
        return list(grads)
    largest = ops.max(
        ops.stack([ops.cast(ops.max(ops.abs(grad)), "float32") for grad in dense])
    )
    error = largest * (FLOAT16 if is_mixed(keras) else FLOAT32)
    found = []
    for number, grad in enumerate(grads):
        if not is_dense(grad):
            found.append(grad)
            continue
        pattern = numpy.random.Generator(numpy.random.PCG64(number))
        signs = pattern.standard_normal(tuple(grad.shape)).astype("float32")
        noise = ops.convert_to_tensor(signs) * error
        found.append(grad + ops.cast(noise, grad.dtype))
    return found


def is_dense(grad: Any) -> bool:
    """Whether a gradient is an array of known size; TensorFlow's of an embedding is none."""
    shape = getattr(grad, "shape", None)
    if grad is None or shape is None or hasattr(grad, "indices"):
        return False
    return all(isinstance(length, int) and length for length in tuple(shape))


def is_mixed(keras: Any) -> bool:
    """Whether models compute with 16 bits."""
    policy = keras.mixed_precision.dtype_policy()
    return "16" in str(getattr(policy, "compute_dtype", ""))
