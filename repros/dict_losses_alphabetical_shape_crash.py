# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.6.0", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "CompileLoss: dict losses reach outputs of another shape and crash"
# kind = "crash"
# area = "losses"
# issues = [20596]
# introduced = 20015
# fixed = "1e8426b2f5"
# docs = ["https://keras.io/guides/training_with_built_in_methods/"]
# symptom = [
#     "ValueError: ...Incompatible shapes for broadcasting",
#     "ValueError: ...Dimensions must be equal",
#     "RuntimeError: The size of tensor a",
# ]
# affected = ">=3.5.0,<3.7.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = ["model.compile(loss={})", "runs(model)"]
# where = [
#   "len(model.outputs) > 1",
#   "not isinstance(model.output, dict)",
#   "sorted(model.output_names) != model.output_names",
#   'perhaps("the outputs differ in shape")',
# ]
# shows = ["raises"]
# ///
"""A model with outputs of different shapes cannot be trained with losses by name.

The model tags each step of a sequence and estimates one number for the whole. The loss
for the number is applied to the tags (alphabetical order, see
`dict_losses_applied_alphabetically`), and the step stops with an error about shapes
that names neither the output nor the loss. The training guide promises that a dict
names the output for each loss.

Measured: 3.5.0 and 3.6.0, all backends; each backend words the error in its own way.
"""

import keras
import numpy as np

ROWS, STEPS, TAGS = 4, 5, 3
X = np.ones((ROWS, STEPS, 1), "float32")
TAG_TARGETS = np.zeros((ROWS, STEPS), "int32")
AGE_TARGETS = np.zeros((ROWS, 1), "float32")
# Kernels of ones: all tags are equally likely, and each age is the mean input, 1.
PROMISED_LOSS = -np.log(1 / TAGS) + np.mean((X.mean(axis=1) - AGE_TARGETS) ** 2)


def model():
    sequence = keras.Input((STEPS, 1))
    tags = keras.layers.Dense(
        TAGS, activation="softmax", kernel_initializer="ones", name="tags"
    )(sequence)
    age = keras.layers.Dense(1, kernel_initializer="ones", name="age")(
        keras.layers.GlobalAveragePooling1D()(sequence)
    )
    return keras.Model(sequence, [tags, age])


def assert_total(losses):
    tagger = model()
    tagger.compile("sgd", loss=losses)
    targets = [TAG_TARGETS, AGE_TARGETS]
    total = float(tagger.train_on_batch(X, targets, return_dict=True)["loss"])
    np.testing.assert_allclose(total, PROMISED_LOSS, rtol=1e-5, err_msg="total loss")


def test_losses_by_name_train_outputs_of_different_shapes():
    """Each loss is applied to the output of its name."""
    assert_total({"tags": "sparse_categorical_crossentropy", "age": "mse"})


def workaround_list_of_losses():
    """Pass the losses as a list, in the order of the outputs."""
    assert_total(["sparse_categorical_crossentropy", "mse"])


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
