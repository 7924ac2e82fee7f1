"""What a rule is, and the pages that rules come from. Pure."""

from __future__ import annotations

from dataclasses import dataclass

SITE = "https://keras.io"
METHODS = f"{SITE}/api/models/model_training_apis/"
TRAINING_GUIDE = f"{SITE}/guides/training_with_built_in_methods/"
TRANSFER_GUIDE = f"{SITE}/guides/transfer_learning/"
FUNCTIONAL_GUIDE = f"{SITE}/guides/functional_api/"
OPTIMIZERS = f"{SITE}/api/optimizers/"
SCHEDULES_API = f"{SITE}/api/optimizers/learning_rate_schedules/"
LAYERS_API = f"{SITE}/api/layers/"
SAVING = f"{SITE}/api/models/model_saving_apis/"
FAQ = f"{SITE}/getting_started/faq/"

RULES: dict[str, Rule] = {}


@dataclass(frozen=True)
class Rule:
    """A sentence about what Keras does.

    ``page`` and ``where`` say which documentation says so. ``reading`` is empty where it says
    it outright; else it is the detail that the documentation leaves open, and how it is read.
    """

    id: str
    statement: str
    page: str
    where: str
    reading: str = ""


def rule(name: str, statement: str, page: str, where: str, reading: str = "") -> Rule:
    """Make a rule known."""
    found = RULES[name] = Rule(name, statement, page, where, reading)
    return found
