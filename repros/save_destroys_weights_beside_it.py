# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.4.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "Model.save: destroys the file model.weights.h5 beside the model"
# kind = "silent"
# area = "saving"
# issues = []
# introduced = 19852
# fixed = 19927
# docs = ["https://keras.io/api/models/model_saving_apis/model_saving_and_loading/"]
# related = ["load_model_deletes_weights_beside_it"]
# affected = ">=3.4.0,<3.5.0"
# keras2 = "unaffected"
#
# [[tool.krepro.trigger]]
# code = [
#   "model.save_weights(filepath=value)",
#   "model_again.save() | keras.models.save_model(model=model_again)",
# ]
# where = ['value.endswith("model.weights.h5")']
# shows = ["saved", "raises"]
#
# [[tool.krepro.trigger]]
# code = [
#   "callback = keras.callbacks.ModelCheckpoint(filepath=value, save_weights_only=True)",
#   "model.fit(callbacks=has(callback))",
#   "model_again.save() | keras.models.save_model(model=model_again)",
# ]
# where = ['value.endswith("model.weights.h5")']
# shows = ["saved", "raises"]
# ///
"""`model.save("model.keras")` destroys a file `model.weights.h5` of the same folder.

The weights are written to `model.weights.h5` beside the `.keras` file, and from there into
it. 3.4.0 leaves that file behind, 3.4.1 deletes it. `model.weights.h5` is also what users
call the weights that they save, those of the best epoch, say: saving the model, or a
`ModelCheckpoint` that does so, overwrites or deletes them without a word. Saving is
documented to write one file.

Measured: 3.4.0 and 3.4.1, all backends; #19852 brought it in, #19927 mended it. `load_model` is as bad: see
`load_model_deletes_weights_beside_it`.
"""

import pathlib
import tempfile

import keras


def assert_kept(weights="model.weights.h5", save_to=""):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        best = folder / weights
        model.save_weights(str(best))
        saved = best.read_bytes()
        model.set_weights([weight + 1.0 for weight in model.get_weights()])
        (folder / save_to).mkdir(exist_ok=True)
        model.save(str(folder / save_to / "model.keras"))
        left = best.read_bytes() if best.exists() else None
        assert left is not None, f"{weights} is gone"
        assert left == saved, f"{weights} is overwritten"


def test_saving_leaves_other_files_alone():
    """A file of weights beside the model is there after `save`, and is the same."""
    assert_kept()


def workaround_another_name_for_the_weights():
    """Give the weights any other name."""
    assert_kept("best.weights.h5")


def workaround_save_to_a_folder_of_its_own():
    """Save the model where nothing else is."""
    assert_kept(save_to="alone")


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
