"""What a program must do, according to Keras' documentation; computed in float64."""

from krepro.fuzz.reference.predicting import predict
from krepro.fuzz.reference.rule import RULES, Rule
from krepro.fuzz.reference.words import SILENT, Prediction, Predictions, Undefined

__all__ = [
    "RULES",
    "SILENT",
    "Prediction",
    "Predictions",
    "Rule",
    "Undefined",
    "predict",
]
