"""Models within models, copied and called."""

from __future__ import annotations

from tests.triggers import HEAD, NESTED, ONE, Cases

BASE = (
    HEAD
    + """
image = keras.Input((32, 32, 3))
hidden = layers.Conv2D(8, 3)(image)
hidden = layers.{norm}()(hidden)
base = keras.Model(image, layers.GlobalAveragePooling2D()(hidden))
inputs = keras.Input((32, 32, 3))
model = keras.Model(inputs, layers.Dense(2)(base(inputs{training})))
model.compile("adam", "mse")
"""
)
NORM = "BatchNormalization"
FINE_TUNED = """
base.trainable = False
model.compile("adam", "mse")
model.fit(x, y, epochs=5)
base.trainable = True
model.compile(keras.optimizers.Adam(1e-5), "mse")
model.fit(x, y, epochs=5)
"""
DROPOUT = (
    HEAD
    + """
inputs = keras.Input((8,))
hidden = layers.Dropout(0.5)(layers.Dense(16)(inputs){training})
model = keras.Model(inputs, layers.Dense(1)(hidden))
samples = [model.predict(x) for _ in range(100)]
"""
)
SUBCLASSED = (
    HEAD
    + """
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.norm = layers.BatchNormalization()
        self.dense = layers.Dense(1)
    def call(self, inputs):
        return self.dense(self.norm(inputs, training=False))

model = Net()
model.compile("adam", "mse")
model.fit(x, y)
model.predict(x)
"""
)
# A step of one's own may well pass the argument, and it is obeyed.
STEPPED = """
class Gan(keras.Model):
    def train_step(self, data):
        images, labels = data
        features = self.layers[1](images, training=False)
        sure = base(images, training=False) + base(images, training=True)
        return {"loss": self.compute_loss(y=labels, y_pred=sure + features)}

"""
REGULARIZE = """
def regularized(layer):
    config = layer.get_config()
    config["kernel_regularizer"] = "l2"
    return layer.__class__.from_config(config)
copy = keras.models.clone_model({model}, clone_function=regularized{more})
"""
TWICE_NESTED = (
    HEAD
    + """
stem = keras.Sequential([keras.Input((8,)), layers.Dense(8)])
encoder = keras.Sequential([keras.Input((8,)), stem, layers.Dense(4)])
model = keras.Sequential([keras.Input((8,)), encoder, layers.Dense(1)])
"""
)
TRANSFER = (
    HEAD
    + """
image = keras.Input((8,))
base = {base}
model = {outer}
copy = keras.models.clone_model(model)
"""
)
FUNCTIONAL = "keras.Model(image, layers.Dense(4)(image))"
IN_SEQUENTIAL = "keras.Sequential([keras.Input((8,)), base, layers.Dense(1)])"


def outputs(structure: str, more: str) -> str:
    """A model of some structure of outputs."""
    return (
        HEAD
        + f"""
inputs = keras.Input((8,))
mean, spread = layers.Dense(2)(inputs), layers.Dense(2)(inputs)
encoder = keras.Model(inputs, {structure})
{more}
"""
    )


COPIED = "copy = keras.Model.from_config(encoder.get_config())"
BLOCK = (
    HEAD
    + """
class Block(layers.Layer):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(8)
        self.last = layers.{last}
    def call(self, inputs):
        return self.last(self.dense(inputs))
inputs = keras.Input((8,))
model = keras.Model(inputs, layers.Dense(1)({block}(inputs)))
model.compile("adam", "mse")
model.{use}
"""
)

CASES: Cases = {
    "blocks_run_in_inference_on_jax": [
        (
            BLOCK.format(last="Dropout(0.2)", block="Block()", use="fit(x, y)"),
            "possible",
        ),
        (
            BLOCK.format(
                last="BatchNormalization()", block="Block()", use="train_on_batch(x, y)"
            ),
            "possible",
        ),
        (
            BLOCK.format(last="LayerNormalization()", block="Block()", use="fit(x, y)"),
            None,
        ),
        (
            BLOCK.format(last="Dropout(0.2)", block="Block()", use="evaluate(x, y)"),
            None,
        ),
        (
            BLOCK.format(last="Dropout(0.2)", block="layers.Dropout(0.2)", use="fit(x, y)"),
            None,
        ),
    ],
    "clone_function_misses_nested_layers": [
        (
            TWICE_NESTED + REGULARIZE.format(model="model", more=", recursive=True"),
            "certain",
        ),
        (TWICE_NESTED + REGULARIZE.format(model="encoder", more=", recursive=True"), None),
        (TWICE_NESTED + REGULARIZE.format(model="model", more=""), None),
        (TWICE_NESTED + "copy = keras.models.clone_model(model)", None),
        (TWICE_NESTED + "copy = keras.models.clone_model(model, recursive=True)", None),
    ],
    "clone_model_rejects_input_tensors": [
        (
            ONE
            + "tensor = keras.Input((8,))\ncopy = keras.models.clone_model(model, input_tensors=tensor)",
            "certain",
        ),
        (
            ONE + "copy = keras.models.clone_model(model, keras.Input((8,)))",
            "certain",
        ),
        (NESTED + "keras.models.clone_model(outer, input_tensors=[inputs])", None),
        (ONE + "keras.models.clone_model(model)", None),
    ],
    "clone_of_sequential_around_functional": [
        (TRANSFER.format(base=FUNCTIONAL, outer=IN_SEQUENTIAL), "certain"),
        (
            TRANSFER.format(
                base='keras.applications.VGG16(include_top=False, pooling="avg")',
                outer=IN_SEQUENTIAL,
            ),
            "possible",
        ),
        (
            TRANSFER.format(
                base="keras.Sequential([layers.Dense(4)])", outer=IN_SEQUENTIAL
            ),
            None,
        ),
        (
            TRANSFER.format(
                base=FUNCTIONAL, outer="keras.Model(image, layers.Dense(1)(base(image)))"
            ),
            None,
        ),
        (ONE + "keras.models.clone_model(model)", None),
    ],
    "explicit_training_argument_is_ignored": [
        (BASE.format(norm=NORM, training=", training=False") + FINE_TUNED, "certain"),
        (
            HEAD
            + """
base = keras.applications.Xception(include_top=False)
inputs = keras.Input((150, 150, 3))
hidden = layers.GlobalAveragePooling2D()(base(inputs, training=False))
model = keras.Model(inputs, layers.Dense(1)(hidden))
model.compile("adam", "mse")
"""
            + FINE_TUNED,
            "possible",
        ),
        (DROPOUT.format(training=", training=True"), "certain"),
        (DROPOUT.format(training=""), None),
        (BASE.format(norm=NORM, training="") + FINE_TUNED, None),
        (
            BASE.format(norm="LayerNormalization", training=", training=False")
            + FINE_TUNED,
            None,
        ),
        (
            BASE.format(norm=NORM, training=", training=False")
            + "base.trainable = False\nmodel.fit(x, y)",
            None,
        ),
        (SUBCLASSED, None),
        (
            BASE.format(norm=NORM, training=", training=False")
            + "other = keras.Sequential([layers.Dense(1)])\nother.fit(x, y)",
            None,
        ),
        (
            BASE.format(norm=NORM, training="")
            .replace("keras.Model(inputs", "Gan(inputs")
            .replace("image = keras.Input", STEPPED + "image = keras.Input")
            + "model.fit(x, y)\nmodel.fit(x, y)\nmodel.predict(x)",
            None,
        ),
        (
            DROPOUT.format(training=", training=True").replace(
                "model.predict", "keras.Sequential([layers.Dense(1)]).predict"
            ),
            None,
        ),
        (SUBCLASSED.replace("training=False", "training=True"), None),
        (BASE.format(norm=NORM, training=", training=False") + "print(model(x))", None),
        (
            DROPOUT.format(training=", training=True").replace(
                "model.predict(x)", "model(x, training=True)"
            ),
            None,
        ),
    ],
    "tuple_of_outputs_reloads_as_list": [
        (outputs("(mean, spread)", COPIED), "certain"),
        (outputs("[mean, spread]", COPIED), None),
        (outputs("mean", COPIED), None),
        (outputs("(mean, spread)", "encoder.predict(x)"), None),
    ],
    "saved_tuple_of_outputs_reloads_as_list": [
        (outputs("(mean, spread)", 'encoder.save("encoder.keras")'), "certain"),
        (outputs("[mean, spread]", 'encoder.save("encoder.keras")'), None),
        (outputs("(mean, spread)", 'encoder.save_weights("e.weights.h5")'), None),
    ],
}
