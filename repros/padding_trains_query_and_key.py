# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.6.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "MultiHeadAttention: padding trains the kernels of query and key"
# kind = "silent"
# area = "masking"
# issues = []
# fixed = 20448
# docs = [
#     "https://keras.io/api/layers/attention_layers/multi_head_attention/",
#     "https://keras.io/guides/understanding_masking_and_padding/",
# ]
# related = ["attention_padding_gradients_on_torch"]
# affected = {tensorflow = "<3.7.0", jax = "<3.7.0", torch = ">=3.0.0"}
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.layers.MultiHeadAttention()",
#   "layer(inputs=tensor) | layer(query=tensor)",
#   "trains(model)",
# ]
# where = [
#   "masked(tensor)",
#   "layer in model",
#   "not masked(model)",
#   'perhaps("padding is not left out of what comes after")',
# ]
# shows = ["weights"]
# ///
"""Rows of padding change the kernels of query and key, which they do not depend on.

A row of padding may attend to nothing ("0 indicates no attention"), and what query and
key make of it has no part in the output: all its scores are drowned by the mask's large
negative number. Nevertheless gradients are sent to the scores, and query and key are
trained by them. The gradients are small, but optimizers such as Adam make small gradients
large. What leaves padding out after the attention (a pooling layer or a
loss that uses the mask) multiplies them by 0.

Measured: up to 3.6.0 on all backends. The fused attention of 3.7.0 (#20448) ended it on
TensorFlow and JAX; on torch these gradients are T times as large since, for rows of T steps
(see `attention_padding_gradients_on_torch`).
"""

import keras
import numpy as np

WORDS = np.array([[1, 0, 0]])  # a text of one word
QUERY_KERNEL, KEY_KERNEL = 1, 2  # embedding, query, key, value, output


def mean_over_time(attended):
    return keras.ops.mean(attended, axis=1)


def assert_trains_what_matters(attend, pool=mean_over_time):
    """The only word attends to itself: neither kernel has a part in the output."""
    words = keras.Input((3,), dtype="int32")
    embedded = keras.layers.Embedding(2, 1, mask_zero=True)(words)
    attention = keras.layers.MultiHeadAttention(1, 1, use_bias=False)
    model = keras.Model(words, pool(attend(attention, embedded)))
    kernel = np.ones((1, 1, 1))
    model.compile(keras.optimizers.SGD(1.0), "mae", run_eagerly=True)
    losses, moved = [], []
    for query, key in (3 * kernel, 5 * kernel), (kernel, kernel):
        model.set_weights([np.array([[0.5], [1.0]]), query, key, kernel, kernel])
        model.reset_metrics()
        losses.append(float(model.train_on_batch(WORDS, np.zeros((1, 1), "float32"))))
        after = model.get_weights()
        moved += [(query - after[QUERY_KERNEL]).item(), (key - after[KEY_KERNEL]).item()]
    assert losses[0] == losses[1], f"losses with other kernels: {losses}"
    assert not any(moved), f"gradients of query and key {moved}, promised none"


def test_padding_leaves_query_and_key_alone():
    """A word and two steps of padding, all averaged."""
    assert_trains_what_matters(lambda attention, x: attention(x, x))


def workaround_average_the_words_only():
    """Pool with a layer that leaves padding out."""
    pool = keras.layers.GlobalAveragePooling1D()
    assert_trains_what_matters(lambda attention, x: attention(x, x), pool)


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
