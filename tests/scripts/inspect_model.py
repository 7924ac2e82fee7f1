"""Build a model, look at it, and never train it."""

import json

import keras
from keras import layers


def residual_block(x, filters, name):
    shortcut = layers.Conv2D(filters, 1, name=f"{name}_shortcut")(x)
    x = layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv1")(x)
    x = layers.BatchNormalization(name=f"{name}_bn1")(x)
    x = layers.ReLU(name=f"{name}_relu1")(x)
    x = layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv2")(x)
    x = layers.BatchNormalization(name=f"{name}_bn2")(x)
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_out")(x)


def build_model():
    inputs = keras.Input((16, 16, 3), name="image")
    x = residual_block(inputs, 8, "first")
    x = layers.MaxPooling2D(name="pool")(x)
    x = residual_block(x, 16, "second")
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(inputs, layers.Dense(5, name="classes")(x), name="tiny_resnet")


def main():
    model = build_model()
    model.summary()
    print("parameters:", model.count_params())
    trainable = sum(int(keras.ops.size(weight)) for weight in model.trainable_weights)
    print("of which can be trained:", trainable)

    for layer in model.layers:
        shapes = [tuple(weight.shape) for weight in layer.weights]
        print(f"{layer.name:>16} {layer.__class__.__name__:<24} {shapes}")

    # A configuration is enough to build the same thing once more.
    config = json.loads(model.to_json())
    print("layers in the file:", len(config["config"]["layers"]))
    twin = keras.models.model_from_json(json.dumps(config))
    same = [a.name for a in twin.layers] == [b.name for b in model.layers]
    print("same layers:", same)


if __name__ == "__main__":
    main()
