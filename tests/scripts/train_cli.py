"""A training program with a command line, for use in a shell.

python train_cli.py --task parity --epochs 2 --report report.json
"""

import argparse
import json
import sys

import keras
import numpy as np
from keras import layers


def make_task(task, samples, seed):
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, size=(samples, 8)).astype("float32")
    labels = bits[:, :2].sum(axis=1) % 2 if task == "parity" else bits.sum(axis=1) > 4
    return bits, labels.astype("float32").reshape(-1, 1)


def build_model(units, rate):
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(units, activation="tanh"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=["accuracy"])
    return model


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=("parity", "majority"), required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--units", type=int, default=16)
    parser.add_argument("--rate", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", help="write the history to this file")
    arguments = parser.parse_args(argv)
    if arguments.epochs < 1:
        parser.error("--epochs must be 1 or more")

    keras.utils.set_random_seed(arguments.seed)
    x, y = make_task(arguments.task, 200, arguments.seed)
    model = build_model(arguments.units, arguments.rate)
    history = model.fit(
        x, y, epochs=arguments.epochs, batch_size=25, validation_split=0.2, verbose=0
    )
    for epoch, loss in enumerate(history.history["val_loss"], 1):
        print(f"epoch {epoch}: validation loss {loss:.4f}", file=sys.stderr)

    x, y = make_task(arguments.task, 100, arguments.seed + 1)
    scores = model.evaluate(x, y, verbose=0, return_dict=True)
    print(json.dumps({name: round(float(score), 4) for name, score in scores.items()}))
    if arguments.report:
        with open(arguments.report, "w", encoding="utf-8") as file:
            json.dump(history.history, file, default=float)
    return 0


if __name__ == "__main__":
    sys.exit(main())
