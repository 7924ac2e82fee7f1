"""What a file, or a copy by config, does not keep."""

from __future__ import annotations

from tests.triggers import HEAD, ONE, Cases

COMPILED = ONE + 'model.compile("adam", "mse", metrics=["mae"])\n'
SPARSE = (
    HEAD
    + """
model = keras.Sequential([
    keras.Input((784,)),
    layers.Dense(32, activation="relu", {penalty}=keras.regularizers.l1(1e-5)),
    layers.Dense(784, activation="sigmoid"),
])
model.compile("adam", "binary_crossentropy")
"""
)
TEXTS = (
    HEAD
    + """
model = keras.Sequential()
model.add(layers.Embedding(20000, 64))
model.add({recurrent})
model.add(layers.Dense(1, activation="sigmoid"))
model.compile("adam", "binary_crossentropy")
model.fit(x, y{more})
"""
)
BOTH_WAYS = "layers.Bidirectional(layers.LSTM(32))"
NET = (
    HEAD
    + """
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(16, activation="relu")
        self.dense = layers.Dense(1)
    def call(self, inputs):
        return self.dense(self.hidden(inputs))

model = Net()
"""
)
BASE = (
    HEAD
    + """
base = keras.applications.MobileNetV2(include_top=False, pooling="avg")
base.trainable = False
inputs = keras.Input((96, 96, 3))
model = keras.Model(inputs, layers.Dense(2, "softmax")(base(inputs)))
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x, y)
"""
)
IDENTITY = (
    HEAD
    + """
model = keras.Sequential([
    keras.Input((784, 1)),
    layers.SimpleRNN(100, activation="relu", recurrent_initializer=keras.initializers.Identity({gain})),
    layers.Dense(10),
])
"""
)
FINE_TUNED = """
model.fit(x, y, epochs=10)
model.save_weights("{saved}.weights.h5")
model.compile(keras.optimizers.SGD(1e-4), "mse")
model.load_weights("{loaded}.weights.h5")
model.fit(x, y, epochs=10)
"""
RESUMED = """
model = keras.models.load_model("{path}"{more})
{compiled}
model.fit(x, y, epochs=5)
"""
OTHER = "\nother = keras.Sequential([keras.Input((8,)), layers.Dense(1)])\n"
LOAD = '\nmodel.load_weights("net.weights.h5")\n'

NESTS = """
taken = keras.Input((4,))
encoder = keras.Model(taken, layers.Dense(2)(taken))
given = keras.Input((4,))
branch = keras.Model(given, {used}(given))
source = keras.Input((4,))
whole = keras.Model(source, layers.Concatenate()([branch(source), encoder(source)]))
whole.save("whole.keras")
"""

CASES: Cases = {
    "model_on_two_levels_cannot_be_loaded": [
        (HEAD + NESTS.format(used="encoder"), "possible"),
        (HEAD + NESTS.format(used="layers.Dense(2)"), None),
        (ONE + 'model.save("whole.keras")', None),
    ],
    "activity_regularizer_lost_on_reload": [
        (
            SPARSE.format(penalty="activity_regularizer") + 'model.save("sparse.keras")',
            "certain",
        ),
        (
            SPARSE.format(penalty="activity_regularizer")
            + "copy = keras.models.clone_model(model)",
            "certain",
        ),
        (SPARSE.format(penalty="kernel_regularizer") + 'model.save("s.keras")', None),
        (
            SPARSE.format(penalty="activity_regularizer")
            + 'model.save_weights("s.weights.h5")',
            None,
        ),
        (
            SPARSE.format(penalty="activity_regularizer") + OTHER + 'other.save("o.keras")',
            None,
        ),
        (
            SPARSE.format(penalty="kernel_regularizer")
            + "config = model.layers[0].get_config()",
            None,
        ),
    ],
    "bidirectional_model_cannot_be_reloaded": [
        (TEXTS.format(recurrent=BOTH_WAYS, more="") + 'model.save("m.keras")', "certain"),
        (
            TEXTS.format(
                recurrent=BOTH_WAYS,
                more=', callbacks=[keras.callbacks.ModelCheckpoint("best.keras", save_best_only=True)]',
            ),
            "certain",
        ),
        (
            TEXTS.format(recurrent=BOTH_WAYS, more="")
            + 'model.save_weights("m.weights.h5")',
            None,
        ),
        (
            TEXTS.format(recurrent="layers.LSTM(32)", more="") + 'model.save("m.keras")',
            None,
        ),
        (TEXTS.format(recurrent=BOTH_WAYS, more="") + 'model.save("m.h5")', None),
        (TEXTS.format(recurrent=BOTH_WAYS, more="") + 'model.save("m.hdf5")', None),
        (
            TEXTS.format(recurrent=BOTH_WAYS, more="") + OTHER + 'other.save("m.keras")',
            None,
        ),
        *(
            (
                TEXTS.format(
                    recurrent=BOTH_WAYS,
                    more=f", callbacks=[keras.callbacks.ModelCheckpoint({given})]",
                ),
                None,
            )
            for given in (
                '"best.h5"',
                '"best.hdf5"',
                '"best.weights.h5", save_weights_only=True',
                '"best", save_weights_only=True',
            )
        ),
        (
            TEXTS.format(recurrent=BOTH_WAYS, more="")
            + OTHER
            + 'saver = keras.callbacks.ModelCheckpoint("best.keras")\nother.fit(x, y, callbacks=[saver])',
            None,
        ),
        (
            TEXTS.format(recurrent=BOTH_WAYS, more="")
            + 'saver = keras.callbacks.ModelCheckpoint("best.keras")\nmodel.fit(x, y)',
            None,
        ),
    ],
    "build_leaves_subclassed_model_empty": [
        (NET + 'model.build((None, 8))\nmodel.load_weights("net.weights.h5")', "certain"),
        (
            NET
            + 'model.build(input_shape=(None, 8))\nmodel.summary()\nmodel.load_weights("net.weights.h5")\nmodel.predict(x)',
            "certain",
        ),
        (NET + 'model(x[:1])\nmodel.load_weights("net.weights.h5")', None),
        (
            NET
            + 'model.build((None, 8))\nmodel(x[:1])\nmodel.load_weights("net.weights.h5")',
            None,
        ),
        (
            HEAD
            + 'model = keras.Sequential([layers.Dense(1)])\nmodel.build((None, 8))\nmodel.load_weights("net.weights.h5")',
            None,
        ),
        (NET + LOAD, None),
        (NET + "model(x[:1])\nmodel.build((None, 8))" + LOAD, None),
        (
            NET
            + 'model.compile("adam", "mse")\nmodel.fit(x, y)\nmodel.build((None, 8))'
            + LOAD,
            None,
        ),
        (
            NET
            + 'model.build((None, 8))\nmodel.compile("adam", "mse")\nmodel.fit(x, y)'
            + LOAD,
            None,
        ),
        (NET + "model.build((None, 8))\nmodel.predict(x)" + LOAD, None),
        (NET + 'model.build((None, 8))\nmodel.save_weights("net.weights.h5")', "certain"),
        (
            NET.replace(
                "    def call",
                "    def build(self, shape):\n        self.hidden.build(shape)\n        self.dense.build((None, 16))\n    def call",
            )
            + "model.build((None, 8))"
            + LOAD,
            None,
        ),
    ],
    "frozen_inner_model_thaws_on_reload": [
        (BASE + 'model.save("classifier.keras")', "certain"),
        (BASE + 'base.trainable = True\nmodel.save("classifier.keras")', None),
        (BASE + 'model.save_weights("classifier.weights.h5")', None),
        (ONE + 'model.layers[0].trainable = False\nmodel.save("m.keras")', None),
        (BASE + OTHER + 'other.save("o.keras")', None),
        (BASE + 'base.trainable = False\nmodel.save("classifier.keras")', "certain"),
        (BASE + 'keras.models.save_model(model, "classifier.keras")', "certain"),
    ],
    "h5_model_cannot_resume_training": [
        (
            HEAD + RESUMED.format(path="model.h5", more="", compiled=""),
            "certain",
        ),
        (
            HEAD
            + "import sys\n"
            + RESUMED.format(path="model.h5", more="", compiled="").replace(
                '"model.h5"', "sys.argv[1]"
            ),
            "possible",
        ),
        (HEAD + RESUMED.format(path="model.keras", more="", compiled=""), None),
        (
            HEAD
            + RESUMED.format(
                path="model.h5", more="", compiled='model.compile("adam", "mse")'
            ),
            None,
        ),
        (HEAD + 'model = keras.models.load_model("model.h5")\nmodel.predict(x)', None),
        (HEAD + RESUMED.format(path="model.h5", more=", compile=False", compiled=""), None),
        (
            COMPILED
            + 'model.save("model.h5")\nsame = keras.models.load_model("model.h5")\nmodel.fit(x, y)',
            None,
        ),
    ],
    "h5_reload_renames_metrics": [
        (COMPILED + 'model.save("model.h5")', "certain"),
        (COMPILED + 'model.save("model.keras")', None),
        (
            ONE
            + 'model.compile("adam", "mse", metrics=["accuracy"])\nmodel.save("model.h5")',
            None,
        ),
        (
            ONE
            + 'model.compile("adam", "mse", metrics=[keras.metrics.MeanAbsoluteError("mae")])\nmodel.save("model.h5")',
            None,
        ),
        (COMPILED + 'keras.models.save_model(model, "model.h5")', "certain"),
    ],
    "h5_weights_by_name_rejected": [
        (ONE + 'model.load_weights("pretrained.h5", by_name=True)', "certain"),
        (
            HEAD
            + "def restore(model, path):\n    model.load_weights(path, by_name=True, skip_mismatch=True)",
            "possible",
        ),
        (ONE + 'model.load_weights("pretrained.weights.h5")', None),
        (ONE + 'model.load_weights("pretrained.h5", by_name=False)', None),
        (ONE + 'model.load_weights("pretrained.weights.h5", by_name=True)', None),
        (ONE + 'model.load_weights("pretrained.ckpt", by_name=True)', None),
    ],
    "identity_gain_lost_in_config": [
        (
            IDENTITY.format(gain="gain=0.5") + "copy = keras.models.clone_model(model)",
            "certain",
        ),
        (IDENTITY.format(gain=0.5) + "copy = keras.models.clone_model(model)", "certain"),
        (IDENTITY.format(gain="") + "copy = keras.models.clone_model(model)", None),
        (IDENTITY.format(gain="gain=1.0") + "copy = keras.models.clone_model(model)", None),
        (IDENTITY.format(gain=0.5) + "model.predict(x)", None),
        (
            IDENTITY.format(gain=0.5).replace("recurrent_init", "kernel_init")
            + 'model.save("m.keras")',
            "certain",
        ),
        (
            IDENTITY.format(gain=0.5) + OTHER + "copy = keras.models.clone_model(other)",
            None,
        ),
        (
            IDENTITY.format(gain=0.5).replace("recurrent_init", "kernel_init")
            + OTHER
            + "copy = keras.models.clone_model(other)",
            None,
        ),
        (IDENTITY.format(gain="") + "config = model.layers[0].get_config()", None),
    ],
    "load_weights_sets_learning_rate": [
        (COMPILED + FINE_TUNED.format(saved="one", loaded="one"), "possible"),
        (
            COMPILED
            + """
best = keras.callbacks.ModelCheckpoint("best.weights.h5", save_best_only=True, save_weights_only=True)
model.fit(x, y, epochs=10, callbacks=[best])
model.compile(keras.optimizers.Adam(1e-5), "mse")
model.load_weights("best.weights.h5")
model.fit(x, y, epochs=10)
""",
            "possible",
        ),
        (COMPILED + FINE_TUNED.format(saved="one", loaded="two"), None),
        (
            COMPILED
            + 'model.fit(x, y)\nmodel.save_weights("one.weights.h5")\nmodel.load_weights("one.weights.h5")\nmodel.evaluate(x, y)',
            None,
        ),
        (
            COMPILED
            + 'model.save_weights("a.weights.h5")\nmodel.load_weights("a.weights.h5")\nmodel.compile(keras.optimizers.Adam(1e-5), "mse")\nmodel.fit(x, y)',
            None,
        ),
        *(
            (
                COMPILED
                + f"""
best = keras.callbacks.ModelCheckpoint({given})
model.fit(x, y, epochs=10, callbacks=[{callback}])
{between}
model.load_weights("best.weights.h5")
model.fit(x, y, epochs=10)
""",
                None,
            )
            for given, callback, between in (
                ('"best.weights.h5", save_weights_only=True', "best", ""),
                ('"best.weights.h5", save_weights_only=True', "", 'model.compile("sgd")'),
                (
                    '"last.weights.h5", save_weights_only=True',
                    "best",
                    'model.compile("sgd")',
                ),
                ('"best.weights.h5"', "best", 'model.compile("sgd")'),
            )
        ),
    ],
}
