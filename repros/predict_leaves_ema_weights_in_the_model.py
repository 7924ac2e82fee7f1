# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.16.2"]
#
# [tool.krepro]
# title = "SwapEMAWeights: predict leaves the averages in the model"
# kind = "silent"
# area = "callbacks"
# issues = []
# introduced = 18978
# docs = ["https://keras.io/api/callbacks/swap_ema_weights/"]
# affected = ">=3.0.3"
# applies = ">=3.0.3"
#
# [[tool.krepro.trigger]]
# code = "model.predict(callbacks=has(keras.callbacks.SwapEMAWeights))"
# shows = ["trains", "weights"]
# ///
"""`model.predict(x, callbacks=[SwapEMAWeights()])` does not give the weights back.

The callback puts the moving averages into the model for an evaluation or prediction, and
"restores the previous weights" afterwards. `on_test_end` does; `on_predict_end` asks whether the averages
are *not* in the model and does nothing. So after `predict` the model trains and saves
with the averages, while the optimizer holds the trained weights as its average.

Measured, all backends: 3.0.3, the first release with the callback, to 3.15.1.
"""

import unittest

import keras


def trained():
    """A model whose weight differs from its moving average."""
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((1,)), dense])
    model.compile(keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5), "mse")
    for _ in range(2):
        model.optimizer.apply([keras.ops.ones((1, 1))], model.trainable_variables)
    return model


def weight_of(model):
    return float(model.get_weights()[0][0, 0])


def swap_for(model):
    if not hasattr(keras.callbacks, "SwapEMAWeights"):
        raise unittest.SkipTest("no SwapEMAWeights")
    callback = keras.callbacks.SwapEMAWeights()
    callback.set_model(model)
    return callback


def test_predict_swaps_back():
    """After predict the model has the weights that it had before."""
    model = trained()
    before = weight_of(model)
    swap = swap_for(model)
    swap.on_predict_begin()
    swap.on_predict_end()
    after = weight_of(model)
    assert after == before, f"weight {before} before predict, {after} after it"


def workaround_set_the_weights_again():
    """Keep the weights and set them after predict."""
    model = trained()
    before, kept = weight_of(model), model.get_weights()
    swap = swap_for(model)
    swap.on_predict_begin()
    swap.on_predict_end()
    model.set_weights(kept)
    after = weight_of(model)
    assert after == before, f"weight {before} before predict, {after} after it"


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
