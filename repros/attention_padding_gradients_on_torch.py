# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "torch==2.13.0"]
#
# [tool.krepro]
# title = "MultiHeadAttention: gradients of padded rows are wrong on torch"
# kind = "silent"
# area = "masking"
# issues = []
# introduced = 20448
# docs = [
#     "https://keras.io/api/layers/attention_layers/multi_head_attention/",
#     "https://keras.io/guides/understanding_masking_and_padding/",
# ]
# related = ["padding_trains_query_and_key"]
# affected = {tensorflow = [], jax = [], torch = ">=3.7.0"}
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.layers.MultiHeadAttention(dropout=absent | 0 | 0.0)",
#   "layer(inputs=tensor) | layer(query=tensor)",
#   "trains(model)",
# ]
# where = [
#   "masked(tensor)",
#   "layer in model",
#   "not masked(model)",
#   'perhaps("padding is not left out of what comes after")',
# ]
# shows = ["weights", "loss", "metrics", "outputs"]
# ///
"""On torch, attention over padded sequences trains with gradients that are too large.

`MultiHeadAttention` over `Embedding(mask_zero=True)`, and a mean over all time steps: the
outputs and the loss are those of the other backends, but the gradients are not those of
this loss. A row of padding may attend to nothing, its output is the plain mean of the T
values, and the gradient that it sends back to each value is T times too large: 128 times
for texts of 128 words. Nothing is said, the model trains in a wrong direction.

Since 3.7.0 (#20448) the layer leaves the work to PyTorch's fused attention, and hands it
the mask as a large negative number to be added. Where a whole row has it, the sum that
the backward pass starts from, -2.4e38 + log(T), is rounded to -2.4e38: each weight is
taken for exp(0) = 1 in place of 1 / T. A mask of booleans, which PyTorch takes as well
(such rows are 0, then), and the kernel without fusion, SDPBackend.MATH, have the right
gradients. `keras.config.disable_flash_attention()` and `flash_attention=False` change
nothing. `GroupQueryAttention`, which works by the same function, is wrong as well.

What leaves padding out after the attention (a pooling layer or a loss that uses the mask)
multiplies these gradients by 0. `dropout` above 0 takes another way, and is right.

Measured: torch on a CPU, 3.7.0 to 3.15.1; held against the slope of the model's own
output.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

WORDS = np.array([[1, 0, 0]])  # a text of one word
VALUE_KERNEL = 3  # embedding, query, key, value, output


def mean_over_time(attended):
    return keras.ops.mean(attended, axis=1)


def assert_gradient_is_the_slope(attend, pool=mean_over_time):
    """The output is proportional to the values' kernel: its slope is output / kernel."""
    words = keras.Input((3,), dtype="int32")
    embedded = keras.layers.Embedding(2, 1, mask_zero=True)(words)
    attention = keras.layers.MultiHeadAttention(1, 1, use_bias=False)
    model = keras.Model(words, pool(attend(attention, embedded)))
    kernel = np.ones((1, 1, 1))
    model.set_weights([np.array([[0.5], [1.0]]), kernel, kernel, kernel, kernel])
    # The loss is the output itself: the mean absolute error to 0.
    model.compile(keras.optimizers.SGD(1.0), "mae", run_eagerly=True)
    slope = float(model.train_on_batch(WORDS, np.zeros((1, 1), "float32"))) / kernel.item()
    gradient = kernel.item() - model.get_weights()[VALUE_KERNEL].item()
    message = f"gradient {gradient:.4f}, slope of the output {slope:.4f}"
    assert np.isclose(gradient, slope, rtol=1e-3), message


def test_gradient_is_the_slope_of_the_output():
    """A word and two steps of padding, all averaged."""
    assert_gradient_is_the_slope(lambda attention, x: attention(x, x))


def workaround_query_without_a_mask():
    """Take the mask off the query: padding attends to the words, then."""
    assert_gradient_is_the_slope(lambda attention, x: attention(x * 1.0, x))


def workaround_average_the_words_only():
    """Pool with a layer that leaves padding out."""
    pool = keras.layers.GlobalAveragePooling1D()
    assert_gradient_is_the_slope(lambda attention, x: attention(x, x), pool)


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
