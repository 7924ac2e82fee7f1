# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "MultiHeadAttention: the second attention over a tensor sees its padding"
# kind = "silent"
# area = "masking"
# issues = []
# introduced = 21134
# docs = [
#     "https://keras.io/api/layers/attention_layers/multi_head_attention/",
#     "https://keras.io/guides/understanding_masking_and_padding/",
# ]
# related = ["merge_layers_drop_masks"]
# affected = ">=3.10.0"
#
# [[tool.krepro.trigger]]
# code = [
#   "layer = keras.layers.MultiHeadAttention()",
#   "layer(value=tensor)",
#   "layer_next = keras.layers.MultiHeadAttention()",
#   "layer_next(attention_mask=absent, value=tensor)",
# ]
# where = ["masked(tensor)", "layer is not layer_next"]
# shows = ["outputs", "loss", "metrics", "weights"]
# ///
"""Of two attentions over one padded tensor, only one leaves the padding out.

A decoder of two or more blocks, each with `MultiHeadAttention(...)(x, encoded)`, where
`encoded` comes from `Embedding(mask_zero=True)`: the attention that runs first takes the
mask off its inputs, the tensors themselves, and all that run later attend to padding as
to words. Nothing is said. Predictions are wrong, depend on how long the padding is, and
the model trains so. The guide promises that the mask of an input reaches each layer that
can use it, the layer's documentation that masks of query and value need no
`attention_mask`.

Measured: 3.10.0 to 3.15.1, all backends. Since 3.8.0 (#20562) the layer takes the mask off;
up to 3.9.2 a functional model handed each layer the masks that it was built with, which
#21134 ended. Two attentions within one layer of the user's own meet it from 3.8.0 on.
"""

import keras
import numpy as np

WORDS = np.array([[1, 0, 0]])  # a text of one word
EMBEDDINGS = np.array([[0.5], [1.0]])
QUERIES = np.ones((1, 1, 1), "float32")
PROMISED = EMBEDDINGS[WORDS[0, 0]].item()  # who may attend to one word only returns it


def assert_attends_to_the_word(blocks, mask_by_hand=False):
    words = keras.Input((3,), dtype="int32")
    x = queries = keras.Input((1, 1))
    embedding = keras.layers.Embedding(2, 1, mask_zero=True)
    encoded = embedding(words)
    mask = (
        {"attention_mask": keras.ops.not_equal(words, 0)[:, None]} if mask_by_hand else {}
    )
    for _ in range(blocks):
        attention = keras.layers.MultiHeadAttention(
            1, 1, use_bias=False, kernel_initializer="ones"
        )
        x = attention(query=x, value=encoded, **mask)
    model = keras.Model([words, queries], x)
    embedding.set_weights([EMBEDDINGS])
    output = keras.ops.convert_to_numpy(model([WORDS, QUERIES])).item()
    message = f"output {output:.4f}, attending to the only word {PROMISED:.4f}"
    assert np.isclose(output, PROMISED, rtol=1e-5), message


def test_each_attention_leaves_padding_out():
    """Two blocks attend to a text of one word and two steps of padding."""
    assert_attends_to_the_word(blocks=2)


def workaround_attention_mask():
    """Make the mask yourself and pass it to each attention."""
    assert_attends_to_the_word(blocks=2, mask_by_hand=True)


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
