"""What the documentation says of models, losses and logs, rule by rule. Pure."""

from __future__ import annotations

from krepro.fuzz.reference.rule import (
    FAQ,
    FUNCTIONAL_GUIDE,
    LAYERS_API,
    METHODS,
    SITE,
    TRAINING_GUIDE,
    rule,
)

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
MASKING_GUIDE = f"{SITE}/guides/understanding_masking_and_padding/"
MASK = rule(
    "mask",
    "An embedding with mask_zero has the steps of word 0 ignored.",
    MASKING_GUIDE,
    "mask-generating layers",
)
PASS_MASKS_ON = ("dense", "activation", "dropout")
MASK_PASSED_ON = rule(
    "mask_passed_on",
    "A mask is passed on by the layers that are capable of it.",
    MASKING_GUIDE,
    "mask propagation; opting-in to mask propagation",
    reading="which layers those are is not said; read as those that treat all steps alike",
)
MASK_IN_LOSS = rule(
    "mask_in_loss",
    "Steps that are masked are ignored.",
    MASKING_GUIDE,
    "introduction; mask-generating layers",
    reading="of losses and metrics nothing is said; read as the mean over the other steps",
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
ADDED_LOSS = rule(
    "added_loss",
    "What layers add to the losses in a call is summed, and added to the loss in fit().",
    f"{SITE}/guides/making_new_layers_and_models_via_subclassing/",
    "the add_loss() method",
    reading="of train_on_batch nothing is said; read as the same",
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
    "A metric's key is the string it was given as, or its name; that of several outputs' "
    "metrics starts with the output's.",
    f"{SITE}/api/callbacks/model_checkpoint/",
    "ModelCheckpoint: monitor; Model.evaluate: return_dict",
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
