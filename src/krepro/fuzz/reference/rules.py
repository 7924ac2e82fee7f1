"""What the documentation says, rule by rule. Pure."""

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


# --- layers -------------------------------------------------------------------------------

LAYERS_OF_A_MODEL = rule(
    "layers_of_a_model",
    "A model computes its outputs from its inputs through the layers that connect them.",
    FUNCTIONAL_GUIDE,
    "introduction",
)
SHARED_LAYER = rule(
    "shared_layer",
    "A layer that is called several times has one set of weights, which learns from all calls.",
    FUNCTIONAL_GUIDE,
    "shared layers",
)
NESTED_MODEL = rule(
    "nested_model",
    "A model can be called as a layer; that reuses its layers and their weights.",
    FUNCTIONAL_GUIDE,
    "all models are callable, just like layers",
)
LAYERS = {
    name: rule(name, statement, f"{LAYERS_API}{page}", where)
    for name, statement, page, where in (
        (
            "dense",
            "Dense gives activation(dot(input, kernel) + bias).",
            "core_layers/dense/",
            "Dense",
        ),
        (
            "embedding",
            "Embedding gives for each index the vector that belongs to it.",
            "core_layers/embedding/",
            "Embedding",
        ),
        ("add", "Add gives the sum of its inputs.", "merging_layers/add/", "Add"),
        (
            "concatenate",
            "Concatenate joins its inputs along the last axis.",
            "merging_layers/concatenate/",
            "Concatenate",
        ),
        (
            "flatten",
            "Flatten makes one axis of all but the batch axis.",
            "reshaping_layers/flatten/",
            "Flatten",
        ),
        (
            "reshape",
            "Reshape gives the same values in the target shape.",
            "reshaping_layers/reshape/",
            "Reshape",
        ),
        (
            "dropout",
            "Dropout at rate 0 drops nothing and scales by 1.",
            "regularization_layers/dropout/",
            "Dropout",
        ),
    )
}
BATCH_NORMALIZATION_TRAINING = rule(
    "batch_normalization_training",
    "In training, values are normalized by the batch's mean and variance, and the moving "
    "statistics move towards these by 1 - momentum.",
    f"{LAYERS_API}normalization_layers/batch_normalization/",
    "BatchNormalization",
)
BATCH_NORMALIZATION_INFERENCE = rule(
    "batch_normalization_inference",
    "In evaluate and predict, values are normalized by the moving statistics.",
    f"{LAYERS_API}normalization_layers/batch_normalization/",
    "BatchNormalization",
)
BATCH_NORMALIZATION_FROZEN = rule(
    "batch_normalization_frozen",
    "With trainable False at compile time it runs in inference mode, its statistics stay.",
    f"{LAYERS_API}normalization_layers/batch_normalization/",
    "BatchNormalization, about trainable",
)
ACTIVATIONS = {
    name: rule(f"activation_{name}", statement, f"{LAYERS_API}activations/", name)
    for name, statement in (
        ("relu", "relu gives max(x, 0)."),
        ("tanh", "tanh gives the hyperbolic tangent."),
        ("sigmoid", "sigmoid gives 1 / (1 + exp(-x))."),
        ("softmax", "softmax gives exp(x) / sum(exp(x)) along the last axis."),
    )
}
KINK = rule(
    "kink",
    "Gradients are those of the documented formulas.",
    f"{LAYERS_API}activations/",
    "relu; MeanAbsoluteError",
    reading="relu(x) and abs(x) have no derivative at 0; read as 0",
)

# --- losses -------------------------------------------------------------------------------

REGRESSION_LOSSES = f"{SITE}/api/losses/regression_losses/"
PROBABILISTIC_LOSSES = f"{SITE}/api/losses/probabilistic_losses/"
LOSSES = {
    name: rule(f"loss_{name}", statement, page, where)
    for name, statement, page, where in (
        (
            "mean_squared_error",
            "The loss is mean(square(y_true - y_pred)).",
            REGRESSION_LOSSES,
            "MeanSquaredError",
        ),
        (
            "mean_absolute_error",
            "The loss is mean(abs(y_true - y_pred)).",
            REGRESSION_LOSSES,
            "MeanAbsoluteError",
        ),
        (
            "huber",
            "An error up to delta counts 0.5 * x^2, a larger one delta * |x| - 0.5 * delta^2.",
            REGRESSION_LOSSES,
            "Huber",
        ),
        (
            "log_cosh",
            "The loss is mean(log((exp(error) + exp(-error)) / 2)).",
            REGRESSION_LOSSES,
            "LogCosh",
        ),
        (
            "binary_crossentropy",
            "The loss is the crossentropy of labels 0 and 1 and predicted probabilities.",
            PROBABILISTIC_LOSSES,
            "BinaryCrossentropy",
        ),
        (
            "categorical_crossentropy",
            "The loss is the crossentropy of one-hot labels and a predicted distribution.",
            PROBABILISTIC_LOSSES,
            "CategoricalCrossentropy",
        ),
        (
            "sparse_categorical_crossentropy",
            "The loss is the crossentropy of whole-number labels and a predicted distribution.",
            PROBABILISTIC_LOSSES,
            "SparseCategoricalCrossentropy",
        ),
    )
}
REDUCTION = rule(
    "reduction",
    "A loss is by default its sum over the batch, divided by the number of its values.",
    f"{SITE}/api/losses/",
    "Loss, reduction",
)
SAMPLE_WEIGHT = rule(
    "sample_weight",
    "The weight of a sample multiplies its part of the loss.",
    METHODS,
    "Model.fit, Model.train_on_batch, Model.test_on_batch: sample_weight",
)
CLASS_WEIGHT = rule(
    "class_weight",
    "In training, the weight of a sample's class multiplies its part of the loss.",
    METHODS,
    "Model.fit, Model.train_on_batch: class_weight",
)
PENALTY = rule(
    "penalty",
    "L2 adds l2 * sum(square(kernel)) to the loss that is optimized, once for each layer.",
    f"{LAYERS_API}regularizers/",
    "introduction, L2",
)
PENALTY_IN_TEST = rule(
    "penalty_in_test",
    "Whether a test's loss has the penalties in it is not said: nothing is predicted.",
    FAQ,
    "Why is my training loss much higher than my testing loss?",
    reading="the FAQ says that they are turned off, the training methods do not say so",
)
ONE_LOSS = rule(
    "one_loss",
    "A single loss is applied to every output.",
    TRAINING_GUIDE,
    "passing data to multi-input, multi-output models",
)
LIST_OF_LOSSES = rule(
    "list_of_losses",
    "Losses in a list belong to the outputs one by one; None is no loss for its output.",
    TRAINING_GUIDE,
    "passing data to multi-input, multi-output models",
)
DICT_OF_LOSSES = rule(
    "dict_of_losses",
    "Losses in a dictionary belong to the outputs of those names; others have no loss.",
    TRAINING_GUIDE,
    "passing data to multi-input, multi-output models",
)
NESTED_OUTPUTS = rule(
    "nested_outputs",
    "What belongs to outputs is given in the structure of the outputs.",
    TRAINING_GUIDE,
    "passing data to multi-input, multi-output models",
    reading="only flat lists and dictionaries are shown; read as the same for nested ones",
)
TOTAL_LOSS = rule(
    "total_loss",
    "The loss that is minimized and reported is the sum of the outputs' losses.",
    METHODS,
    "Model.compile: loss_weights",
)
LOSS_WEIGHTS = rule(
    "loss_weights",
    "Each output's loss is multiplied by its weight: by place in a list, by name in a dict.",
    METHODS,
    "Model.compile: loss_weights",
)

# --- logs ---------------------------------------------------------------------------------

METRICS = {
    name: rule(f"metric_{name}", statement, f"{SITE}/api/metrics/", where)
    for name, statement, where in (
        ("mean_squared_error", "The mean of squared errors.", "MeanSquaredError"),
        ("mean_absolute_error", "The mean of absolute errors.", "MeanAbsoluteError"),
        (
            "root_mean_squared_error",
            "The root of the mean of squared errors.",
            "RootMeanSquaredError",
        ),
        (
            "binary_accuracy",
            "How often the side of the threshold that a prediction is on matches the label.",
            "BinaryAccuracy",
        ),
        (
            "categorical_accuracy",
            "How often the largest prediction is that of the one-hot label.",
            "CategoricalAccuracy",
        ),
        (
            "sparse_categorical_accuracy",
            "How often the largest prediction is that of the label.",
            "SparseCategoricalAccuracy",
        ),
        ("binary_crossentropy", "The mean of the crossentropies.", "BinaryCrossentropy"),
        (
            "categorical_crossentropy",
            "The mean of the crossentropies.",
            "CategoricalCrossentropy",
        ),
        (
            "sparse_categorical_crossentropy",
            "The mean of the crossentropies.",
            "SparseCategoricalCrossentropy",
        ),
    )
}
ACCURACY_BY_SHAPE = rule(
    "accuracy_by_shape",
    "'accuracy' is a binary, categorical or sparse accuracy by the shapes it is given.",
    METHODS,
    "Model.compile: metrics",
)
METRIC_MEAN = rule(
    "metric_mean",
    "A metric is the mean over all samples it has seen since the start of the epoch.",
    f"{SITE}/api/metrics/",
    "Metric; the metrics' total and count",
)
METRICS_UNWEIGHTED = rule(
    "metrics_unweighted",
    "Metrics in the argument metrics are computed without sample weights.",
    METHODS,
    "Model.compile: metrics",
)
METRICS_WEIGHTED = rule(
    "metrics_weighted",
    "Metrics in weighted_metrics are weighted by sample_weight or class_weight.",
    METHODS,
    "Model.compile: weighted_metrics",
)
METRICS_OF_OUTPUTS = rule(
    "metrics_of_outputs",
    "Metrics of several outputs are given one by one in a list, or by name in a dict.",
    METHODS,
    "Model.compile: metrics",
)
METRIC_NAMES = rule(
    "metric_names",
    "A metric's key is its name; that of several outputs' metrics starts with the output's.",
    METHODS,
    "Model.evaluate: return_dict; ModelCheckpoint: monitor",
    reading="the prefix is read as the output's name and an underscore",
)
NAME_OF_A_FUNCTION = rule(
    "name_of_a_function",
    "A metric's key is its name.",
    METHODS,
    "Model.evaluate: return_dict",
    reading="the name of a function given as a metric is read as the function's",
)
OUTPUT_LOSSES = rule(
    "output_losses",
    "The loss of each of several outputs is logged as <output>_loss, before its loss weight.",
    METHODS,
    "Model.compile: loss_weights; ModelCheckpoint: monitor",
    reading="that they are logged is taken from the names that callbacks are told to monitor",
)
LIST_OF_RESULTS = rule(
    "list_of_results",
    "Results in a list are the loss, then the metrics in compile's order; the loss alone is "
    "one number.",
    METHODS,
    "Model.evaluate, Model.train_on_batch: returns",
)
BATCH_RESULT = rule(
    "batch_result",
    "train_on_batch and test_on_batch return the loss and metrics of the batch they are given.",
    METHODS,
    "Model.train_on_batch, Model.test_on_batch",
)
EVALUATION = rule(
    "evaluation",
    "evaluate returns the loss and metrics of the data it is given, in batches or not.",
    METHODS,
    "Model.evaluate",
)
EPOCH_LOSS = rule(
    "epoch_loss",
    "The loss of an epoch is the mean of its batches' losses, a sample counting as any other.",
    METHODS,
    "Model.fit: returns; Mean",
    reading="the FAQ speaks of the average over batches; a last, smaller one is read as smaller",
)
HISTORY = rule(
    "history",
    "History.history has a list for each of loss and metrics, with a value for each epoch.",
    METHODS,
    "Model.fit: returns",
)
VALIDATION = rule(
    "validation",
    "Validation data is evaluated at the end of each epoch; its keys start with val_.",
    METHODS,
    "Model.fit: validation_data",
)
PREDICTION = rule(
    "prediction",
    "predict returns the outputs for all samples, in the structure of the outputs.",
    METHODS,
    "Model.predict",
)

# --- training -----------------------------------------------------------------------------

COMPILE = rule(
    "compile",
    "compile configures the training: the loss, the metrics and the optimizer given replace "
    "those before.",
    METHODS,
    "Model.compile",
)
COMPILED_AGAIN = rule(
    "compiled_again",
    "A model is compiled with what its last compile was given.",
    METHODS,
    "Model.compile, Model.get_compile_config; Model.save",
    reading="that metrics given before, and not again, are dropped is not said outright",
)
FLAGS_AT_COMPILE = rule(
    "flags_at_compile",
    "A model trains by the flags of its layers at its own compile, until compiled again.",
    TRANSFER_GUIDE,
    "important note about compile and trainable; Model.compile: note",
)
FROZEN = rule(
    "frozen",
    "Weights of layers that are not trainable do not change in training.",
    TRANSFER_GUIDE,
    "freezing layers",
)
FLAG_OF_A_MODEL = rule(
    "flag_of_a_model",
    "Setting trainable on a model sets it on all layers in it.",
    TRANSFER_GUIDE,
    "recursive setting of the trainable attribute",
)
TRAINING_STEP = rule(
    "training_step",
    "A batch makes one update by the gradients of its loss.",
    METHODS,
    "Model.fit: batch_size; Model.train_on_batch",
)
BATCHES = rule(
    "batches",
    "Data is cut into batches of batch_size samples in order; the last one may be smaller.",
    METHODS,
    "Model.fit, Model.evaluate, Model.predict: batch_size",
)
TESTING_CHANGES_NOTHING = rule(
    "testing_changes_nothing",
    "Evaluation and prediction change no weight.",
    METHODS,
    "Model.evaluate, Model.predict",
)
TARGETS = rule(
    "targets",
    "Targets belong to the outputs one by one in a list, by name in a dictionary.",
    TRAINING_GUIDE,
    "passing data to multi-input, multi-output models",
)
TARGETS_WITHOUT_LOSS = rule(
    "targets_without_loss",
    "Targets are given for the outputs that have a loss.",
    TRAINING_GUIDE,
    "passing data to multi-input, multi-output models",
    reading="a list with targets for all outputs is read as one by one all the same",
)
WEIGHTS_FOR_ALL = rule(
    "weights_for_all",
    "One array of sample weights has one weight for each sample.",
    METHODS,
    "Model.fit: sample_weight",
    reading="with several outputs it is read as the weights of each of them",
)
SAVED = rule(
    "saved",
    "A saved and loaded model is in the same state: weights, compilation, optimizer.",
    SAVING,
    "Model.save",
)
CLONED = rule(
    "cloned",
    "A clone has the same layers with weights of its own.",
    f"{SITE}/api/models/model/",
    "clone_model",
)
SET_WEIGHTS = rule(
    "set_weights",
    "set_weights takes what get_weights gave: nothing changes.",
    f"{LAYERS_API}base_layer/",
    "Layer.set_weights",
)
RESET_METRICS = rule(
    "reset_metrics",
    "reset_metrics changes no weight.",
    METHODS,
    "Model.reset_metrics",
)

# --- optimizers ---------------------------------------------------------------------------

SGD = rule("sgd", "w = w - learning_rate * g.", f"{OPTIMIZERS}sgd/", "SGD")
MOMENTUM = rule(
    "momentum",
    "velocity = momentum * velocity - learning_rate * g; w = w + velocity.",
    f"{OPTIMIZERS}sgd/",
    "SGD",
)
NESTEROV = rule(
    "nesterov",
    "w = w + momentum * velocity - learning_rate * g.",
    f"{OPTIMIZERS}sgd/",
    "SGD",
)
ADAM = rule(
    "adam",
    "Adam by Kingma and Ba, in the form just before Section 2.1, with epsilon hat.",
    f"{OPTIMIZERS}adam/",
    "Adam",
)
WEIGHT_DECAY = rule(
    "weight_decay",
    "With weight_decay, weights decay at each update.",
    f"{OPTIMIZERS}adamw/",
    "Optimizer, AdamW: weight_decay",
    reading="no formula is given; read as w = w - learning_rate * weight_decay * w beforehand",
)
CLIPNORM = rule(
    "clipnorm",
    "The gradient of each weight is clipped to a norm of at most clipnorm.",
    OPTIMIZERS,
    "Optimizer: clipnorm",
)
CLIPVALUE = rule(
    "clipvalue",
    "The gradient of each weight is clipped to at most clipvalue.",
    OPTIMIZERS,
    "Optimizer: clipvalue",
    reading="that it is clipped on the negative side too is not said",
)
GLOBAL_CLIPNORM = rule(
    "global_clipnorm",
    "The gradients are clipped together to a norm of at most global_clipnorm.",
    OPTIMIZERS,
    "Optimizer: global_clipnorm",
)
EMA = rule(
    "ema",
    "After each update, average = ema_momentum * average + (1 - ema_momentum) * weight.",
    OPTIMIZERS,
    "Optimizer: use_ema, ema_momentum",
)
EMA_START = rule(
    "ema_start",
    "A moving average of the weights is kept.",
    OPTIMIZERS,
    "Optimizer: use_ema",
    reading="where it starts is not said; read as the weights after the first update",
)
EMA_OVERWRITE = rule(
    "ema_overwrite",
    "Every ema_overwrite_frequency updates the weights are overwritten by their averages.",
    OPTIMIZERS,
    "Optimizer: ema_overwrite_frequency",
)
EMA_FINAL = rule(
    "ema_final",
    "Without a frequency, fit overwrites the weights by their averages after the last epoch.",
    OPTIMIZERS,
    "Optimizer: ema_overwrite_frequency",
)
EMA_FINAL_OVERWRITE = rule(
    "ema_final_overwrite",
    "fit overwrites the weights by their averages after the last epoch.",
    OPTIMIZERS,
    "Optimizer: ema_overwrite_frequency",
    reading="said of an optimizer without a frequency only; read as the same with one",
)
ACCUMULATION = rule(
    "accumulation",
    "Every gradient_accumulation_steps batches there is one update, by the mean of gradients.",
    OPTIMIZERS,
    "Optimizer: gradient_accumulation_steps",
)
SCHEDULE_STEP = rule(
    "schedule_step",
    "A schedule is given the number of the batch, from 0 on.",
    SCHEDULES_API,
    "LearningRateSchedule; PiecewiseConstantDecay; Optimizer: gradient_accumulation_steps",
)
SCHEDULES = {
    name: rule(f"schedule_{key}", statement, SCHEDULES_API, name)
    for name, key, statement in (
        (
            "ExponentialDecay",
            "exponential",
            "initial_learning_rate * decay_rate ^ (step / decay_steps), whole in a staircase.",
        ),
        (
            "PiecewiseConstantDecay",
            "piecewise",
            "values[0] up to the first boundary, included; the next one after it.",
        ),
        (
            "PolynomialDecay",
            "polynomial",
            "(initial - end) * (1 - min(step, decay_steps) / decay_steps) ^ power + end.",
        ),
        (
            "InverseTimeDecay",
            "inverse_time",
            "initial / (1 + decay_rate * step / decay_steps), whole in a staircase.",
        ),
        (
            "CosineDecay",
            "cosine",
            "initial * ((1 - alpha) * 0.5 * (1 + cos(pi * step / decay_steps)) + alpha).",
        ),
    )
}
