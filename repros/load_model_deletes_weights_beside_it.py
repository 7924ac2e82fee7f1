# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.4.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "load_model: deletes the file model.weights.h5 beside the model"
# kind = "silent"
# area = "saving"
# issues = []
# introduced = 19852
# fixed = 19927
# docs = ["https://keras.io/api/models/model_saving_apis/model_saving_and_loading/"]
# related = ["save_destroys_weights_beside_it"]
# affected = ">=3.4.0,<3.5.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = ["model.save_weights(filepath=value)", "keras.models.load_model()"]
# where = ['value.endswith("model.weights.h5")']
# shows = ["saved", "raises"]
#
# [[tool.krepro.trigger]]
# code = [
#   "callback = keras.callbacks.ModelCheckpoint(filepath=value, save_weights_only=True)",
#   "model.fit(callbacks=has(callback))",
#   "keras.models.load_model()",
# ]
# where = ['value.endswith("model.weights.h5")']
# shows = ["saved", "raises"]
#
# [[tool.krepro.trigger]]
# code = ["keras.models.load_model()", "model.load_weights(filepath=value)"]
# where = ['value.endswith("model.weights.h5")']
# shows = ["saved", "raises"]
# ///
"""`load_model("model.keras")` deletes a file `model.weights.h5` of the same folder.

The weights of a `.keras` file are unpacked beside it, as `model.weights.h5`, and that file
is deleted after loading. `model.weights.h5` is also what users call the weights that they
save: loading the model overwrites them, then deletes them, without a word. Loading is
documented to read a file; nothing is said of any other.

Measured: 3.4.0 and 3.4.1, all backends; #19852 brought it in, #19927 mended it. `save` is as bad: see
`save_destroys_weights_beside_it`.
"""

import pathlib
import shutil
import tempfile

import keras


def assert_kept(weights="model.weights.h5", load_from=""):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.save(str(folder / "model.keras"))
        best = folder / weights
        model.save_weights(str(best))
        saved = best.read_bytes()
        if load_from:
            (folder / load_from).mkdir()
            shutil.copy(folder / "model.keras", folder / load_from)
        keras.models.load_model(str(folder / load_from / "model.keras"))
        left = best.read_bytes() if best.exists() else None
        assert left is not None, f"{weights} is gone"
        assert left == saved, f"{weights} is overwritten"


def test_loading_leaves_other_files_alone():
    """A file of weights beside the model is there after `load_model`, and is the same."""
    assert_kept()


def workaround_another_name_for_the_weights():
    """Give the weights any other name."""
    assert_kept("best.weights.h5")


def workaround_load_a_copy_elsewhere():
    """Copy the model to a folder of its own, and load it there."""
    assert_kept(load_from="alone")


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
