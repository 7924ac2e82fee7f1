"""Programs that the triggers of the catalogue hit, and such as they must not hit, by area.

Each module holds ``CASES``: for each entry programs with what is expected of its trigger,
``certain``, ``possible`` or None. The preludes below are what many of them start with.
"""

from __future__ import annotations

Cases = dict[str, list[tuple[str, str | None]]]

HEAD = """
import keras
import numpy as np
from keras import layers
x, y = np.load("x.npy"), np.load("y.npy")
"""
# A model of one output.
ONE = (
    HEAD
    + """
model = keras.Sequential([keras.Input((8,)), layers.Dense(16, "relu"), layers.Dense(1)])
"""
)


def heads(outputs: str, first: str = "price", second: str = "area") -> str:
    """A model of two outputs, in a structure."""
    return (
        HEAD
        + f"""
inputs = keras.Input((8,))
hidden = layers.Dense(16, activation="relu")(inputs)
first = layers.Dense(1, name="{first}")(hidden)
second = layers.Dense(1, name="{second}")(hidden)
model = keras.Model(inputs, {outputs})
prices, areas = np.load("prices.npy"), np.load("areas.npy")
"""
    )


TWO = heads("[first, second]")
IN_ORDER = heads("[first, second]", "area", "price")
AS_DICT = heads('{"price": first, "area": second}')
# A model within a model, neither compiled.
NESTED = (
    HEAD
    + """
encoder = keras.Sequential([keras.Input((8,)), layers.Dense(4), layers.Dense(2)])
inputs = keras.Input((8,))
outer = keras.Model(inputs, layers.Dense(8)(encoder(inputs)))
"""
)
GAN = (
    HEAD
    + """
def build_generator():
    return keras.Sequential([keras.Input((16,)), layers.Dense(32, "relu"), layers.Dense(8)])

def build_discriminator():
    return keras.Sequential([keras.Input((8,)), layers.Dense(32), layers.Dense(1, "sigmoid")])

generator, discriminator = build_generator(), build_discriminator()
noise = np.random.normal(size=(32, 16))
real, fake = np.ones((32, 1)), np.zeros((32, 1))
z = keras.Input((16,))
"""
)
