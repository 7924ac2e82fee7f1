"""What the documentation says of training and optimizers, rule by rule. Pure."""

from __future__ import annotations

from krepro.fuzz.reference.rule import (
    LAYERS_API,
    METHODS,
    OPTIMIZERS,
    SAVING,
    SCHEDULES_API,
    SITE,
    TRAINING_GUIDE,
    TRANSFER_GUIDE,
    rule,
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

CALLBACKS_API = f"{SITE}/api/callbacks/"
EARLY_STOPPING = rule(
    "early_stopping",
    "Training ends after patience epochs without an improvement of the number watched.",
    f"{CALLBACKS_API}early_stopping/",
    "EarlyStopping",
)
BEST_WEIGHTS = rule(
    "best_weights",
    "With restore_best_weights the model ends with the weights of its best epoch.",
    f"{CALLBACKS_API}early_stopping/",
    "EarlyStopping: restore_best_weights",
)
REDUCE_RATE = rule(
    "reduce_rate",
    "After patience epochs without an improvement the learning rate is multiplied by factor.",
    f"{CALLBACKS_API}reduce_lr_on_plateau/",
    "ReduceLROnPlateau",
)
CALLBACK_WITHOUT_EFFECT = rule(
    "callback_without_effect",
    "Logs are written to files; a training without NaN is not terminated.",
    CALLBACKS_API,
    "CSVLogger, TerminateOnNaN",
)
CHECKPOINT = rule(
    "checkpoint",
    "After each epoch the weights are saved; with save_best_only, only where they are the best "
    "so far. A training goes on without.",
    f"{CALLBACKS_API}model_checkpoint/",
    "ModelCheckpoint: save_best_only, save_weights_only",
)
LOADED_WEIGHTS = rule(
    "loaded_weights",
    "load_weights brings back the weights that a checkpoint saved.",
    f"{CALLBACKS_API}model_checkpoint/",
    "ModelCheckpoint: example",
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
    "After each update (with accumulation, in no other batch), "
    "average = ema_momentum * average + (1 - ema_momentum) * weight.",
    OPTIMIZERS,
    "Optimizer: use_ema, ema_momentum, gradient_accumulation_steps",
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
DOCUMENTED_EXCEPTION = rule(
    "documented_exception",
    "PiecewiseConstantDecay raises where boundaries and values do not match in number.",
    SCHEDULES_API,
    "PiecewiseConstantDecay: raises",
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
