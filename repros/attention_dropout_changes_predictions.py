# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "MultiHeadAttention: dropout changes predictions on padded texts"
# kind = "silent"
# area = "masking"
# issues = []
# introduced = 21149
# docs = [
#     "https://keras.io/api/layers/attention_layers/multi_head_attention/",
#     "https://keras.io/guides/understanding_masking_and_padding/",
# ]
# related = ["attention_padding_gradients_on_torch"]
# affected = ">=3.10.0"
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.layers.MultiHeadAttention(dropout=not 0)",
#   "layer(inputs=tensor) | layer(query=tensor)",
#   "model.fit() | model.evaluate() | model.predict()",
# ]
# where = [
#   "masked(tensor)",
#   "layer in model",
#   "not masked(model)",
#   'perhaps("padding is not left out of what comes after")',
# ]
# shows = ["outputs", "loss", "metrics", "weights"]
# ///
"""With the same weights, `MultiHeadAttention(dropout=0.1)` predicts other than without.

Dropout is for training: "inference mode (no dropout)", says the documentation. But the
two settings go two ways. With `dropout=0` a row of padding, which may attend to nothing,
gets the mean of all values, padding included; from 3.10.0 on, with `dropout` above 0 (or
`return_attention_scores=True`) it gets 0. Where padding is not left out of what comes
after, by a mean over time, say, predictions differ, and those of a model that was trained
with 3.9.2 or older and has a `dropout` change with the upgrade, without a word.

Measured: 3.10.0 to 3.15.1, all backends; #21149, which zeroes the weights of rows that are
masked whole, brought it in. Up to 3.9.2 both settings give the mean.
"""

import keras
import numpy as np

WORDS = np.array([[1, 0, 0]])  # a text of one word


def mean_over_time(attended):
    return keras.ops.mean(attended, axis=1)


def assert_same_predictions(attend, pool=mean_over_time):
    words = keras.Input((3,), dtype="int32")
    embedding = keras.layers.Embedding(2, 1, mask_zero=True)
    plain = keras.layers.MultiHeadAttention(1, 1, use_bias=False)
    dropping = keras.layers.MultiHeadAttention(1, 1, use_bias=False, dropout=0.1)
    outputs = [pool(attend(layer, embedding(words))) for layer in (plain, dropping)]
    model = keras.Model(words, outputs)
    model.set_weights([np.array([[0.5], [1.0]]), *[np.ones((1, 1, 1))] * 8])
    model.compile(run_eagerly=True)
    without, with_dropout = (p.item() for p in model.predict(WORDS, verbose=0))
    message = (
        f"without dropout {without:.4f}, with dropout, in inference {with_dropout:.4f}"
    )
    assert np.isclose(without, with_dropout, rtol=1e-5), message


def test_dropout_has_no_part_in_inference():
    """A word and two steps of padding, all averaged."""
    assert_same_predictions(lambda attention, x: attention(x, x))


def workaround_query_without_a_mask():
    """Take the mask off the query: padding attends to the words, then."""
    assert_same_predictions(lambda attention, x: attention(x * 1.0, x))


def workaround_average_the_words_only():
    """Pool with a layer that leaves padding out."""
    pool = keras.layers.GlobalAveragePooling1D()
    assert_same_predictions(lambda attention, x: attention(x, x), pool)


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
