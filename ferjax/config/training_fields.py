"""The schema of the groups loss, optimizer, schedule and train: how a network is trained."""

from ferjax import registry
from ferjax.config.data_fields import BELOW_ONE, FRACTION, INSIDE, SWITCH
from ferjax.config.field import Anything, Choices, Field, Range, Registered, Text
from ferjax.config.text_fields import parse_l2

OPTIONS = Anything("the function's own options, by name")
EPOCHS = Range(0, 1_000_000, above=True)
# Far more than can work: some runs are meant to fail. A larger one is next to infinite in float32.
RATE = Range(0, 1e30, above=True)
BATCH = Range(1, 2**20)
PATIENCE = Range(0, 1_000_000)

LOSS = (
    Field("loss.name", "cross_entropy", Registered(registry.LOSSES), "", "The loss of an example."),
    Field("loss.options", {}, OPTIONS, "", "Options of the function that loss.name stands for."),
    Field("loss.class_weights", "none", Choices(("none", "inverse", "effective")), "",
          "Weighs each class by the inverse of its number of examples, or of their effective number."),
    Field("loss.effective_beta", 0.999, BELOW_ONE, "",
          "effective: 0 weighs all classes alike, towards 1 as inverse does."),
    Field("loss.label_smoothing", 0.0, BELOW_ONE, "", "Part of each label that is spread over all classes."),
    Field("loss.focal_gamma", 0.0, Range(0, 100), "",
          "Focal loss: the larger, the less the examples count that the network is sure of; 0 is off."),
    Field("loss.l2", "", Text("PATTERN:NUMBER,…", parse_l2), "",
          "Adds 0.5·λ·ΣW² of the parameters whose paths match: fc1/kernel:0.001,fc2/kernel:0.01."),
    Field("loss.eac", 0.0, Range(0, 1_000_000), "",
          "Weight of the difference between an image's class maps and its mirror image's (EAC); 0 is off."),
    Field("loss.group_dro", 0.0, Range(0, 100), "",
          "Group DRO: step size of the weights of data.groups, of which the worst count most; 0 is off."),
    Field("loss.group_dro_adjustment", 0.0, Range(0, 1000), "",
          "group_dro: C, small groups count more: C / √(their images) is added to their losses."),
    Field("loss.scn", 0.0, Range(0, 1_000_000), "",
          "Self-cure network: weight of the loss that ranks examples by importance; 0 is off."),
    Field("loss.scn_ratio", 0.7, INSIDE, "of the batch", "scn: the more important examples."),
    Field("loss.scn_margin", 0.15, FRACTION, "",
          "scn: how far the mean importance of these shall lie above that of the others."),
    Field("loss.scn_relabel_epoch", 10.0, Range(1, 1_000_000, also=0), "",
          "scn: the epoch, counted from 1, from which labels are replaced; 0: never."),
    Field("loss.scn_relabel_margin", 0.2, FRACTION, "",
          "scn: a label is replaced by a class that is so much more probable."),
    Field("loss.rul", False, SWITCH, "",
          "Relative uncertainty learning: pairs of images are learnt from, by the uncertainty of each."),
    Field("loss.rul_size", 64, Range(1, 65536), "", "rul: variances whose mean is the uncertainty."),
    Field("loss.rul_dropout", 0.4, BELOW_ONE, "", "rul: part of the features that is hidden from its head."),
)  # fmt: skip

AFFECT = (
    Field("affect.head", "none", Choices(("none", "beside")), "",
          "beside: a linear layer beside the classifier learns valence and arousal, where they are known."),
    Field("affect.loss", "ccc", Choices(("ccc", "mse", "both")), "",
          "Its loss: 1 - CCC of a batch, the mean squared error, or their sum."),
    Field("affect.weight", 1.0, Range(0, 1_000_000, above=True), "",
          "Weight of that loss beside the loss of the classes."),
)  # fmt: skip

PRETRAINING_METHODS = ("none", "mae", "simclr")
PRETRAIN = (
    Field("pretrain.method", "none", Choices(PRETRAINING_METHODS), "",
          "How the network learns without labels. mae: a vision transformer fills in hidden patches; simclr: "
          "two views of each image are told from those of all others."),
    Field("pretrain.mask_ratio", 0.75, INSIDE, "of the patches", "mae: those that are hidden."),
    Field("pretrain.normalise_targets", True, SWITCH, "",
          "mae: each patch is guessed with mean 0 and variance 1; else its pixels as they are taken."),
    Field("pretrain.decoder_width", 512, Range(4, 65536), "", "mae: numbers in a token of the decoder."),
    Field("pretrain.decoder_depth", 8, Range(1, 48), "", "mae: blocks of the decoder."),
    Field("pretrain.decoder_heads", 16, Range(1, 1024), "", "mae: heads of its attention."),
    Field("pretrain.temperature", 0.1, Range(0, 100, above=True), "",
          "simclr: divides the cosines between views."),
    Field("pretrain.projection_size", 128, Range(2, 65536), "",
          "simclr: numbers in a projected view."),
)  # fmt: skip

OPTIMIZER = (
    Field("optimizer.name", "sgd", Registered(registry.OPTIMIZERS), "", "The optimizer."),
    Field("optimizer.options", {}, OPTIONS, "", "Options of the function that optimizer.name stands for."),
    Field("optimizer.momentum", 0.9, BELOW_ONE, "", "sgd and lars: momentum."),
    Field("optimizer.nesterov", False, SWITCH, "", "sgd and lars: Nesterov's momentum."),
    Field("optimizer.momentum_precision", "float32", Choices(("float32", "bfloat16")), "",
          "sgd, adamw and lamb: how the mean gradient is kept; bfloat16 takes half the memory."),
    Field("optimizer.weight_decay", 1e-4, Range(0, 10_000), "", "Weight decay."),
    Field("optimizer.decay_vectors", True, SWITCH, "",
          "Decays biases, normalisation scales and learnt tokens too, as PyTorch does."),
    Field("optimizer.layer_decay", 1.0, Range(0, 1, above=True), "",
          "Each layer has this much of the learning rate of the layer after it; 1 is off."),
    Field("optimizer.beta1", 0.9, BELOW_ONE, "", "adamw and lamb: decay of the mean gradient."),
    Field("optimizer.beta2", 0.999, BELOW_ONE, "", "adamw and lamb: decay of the mean squared gradient."),
    Field("optimizer.epsilon", 1e-8, Range(0, 1000, above=True), "",
          "adamw and lamb: is added to the root of the mean squared gradient."),
    Field("optimizer.trust_coefficient", 1e-3, Range(0, 1000, above=True), "",
          "lars: multiplies the ratio of a weight's norm to its gradient's."),
    Field("optimizer.clip_norm", 0.0, Range(0, 1e30), "", "Largest global norm of the gradients; 0 is off."),
    Field("optimizer.ema_decay", 0.0, BELOW_ONE, "",
          "Decay of the average of weights and statistics that is evaluated; 0 is off."),
    Field("optimizer.sam_rho", 0.0, Range(0, 100), "",
          "Sharpness-aware minimisation: the gradient is taken this far up the slope; 0 is off."),
    Field("optimizer.sam_statistics", "first", Choices(("first", "second")), "",
          "Which of its two passes moves batch normalisation's running statistics."),
)  # fmt: skip

DISTILL = (
    Field("distill.from", "", Text("RUN_OR_BUNDLE,…"), "",
          "Trained networks that say what they see in the same images; empty: none."),
    Field("distill.weight", 0.5, Range(0, 1, above=True), "",
          "Part of the loss that is the distance from what they say; the rest is the loss of the labels."),
    Field("distill.temperature", 4.0, Range(0, 1000, above=True), "",
          "Divides the logits of both sides: the higher, the more unlikely classes count."),
    Field("distill.attention", 0.0, Range(0, 1_000_000), "",
          "Weight of the difference of where the last maps are strong (attention transfer); 0 is off."),
)  # fmt: skip

SCHEDULE = (
    Field("schedule.name", "constant", Registered(registry.SCHEDULES), "",
          "How the learning rate changes during a run."),
    Field("schedule.options", {}, OPTIONS, "", "Options of the function that schedule.name stands for."),
    Field("schedule.learning_rate", 1e-3, RATE, "",
          "The learning rate; the largest one with onecycle. 0 with stages, which have their own."),
    Field("schedule.scale_rate", "none", Choices(("none", "linear", "sqrt")), "",
          "How the learning rate grows with train.batch_size / schedule.base_batch."),
    Field("schedule.base_batch", 256, BATCH, "images", "Batch size for which learning_rate is meant."),
    Field("schedule.warmup_epochs", 0.0, Range(0, 1_000_000), "epochs", "Linear rise at the beginning."),
    Field("schedule.factor", 0.1, INSIDE, "", "plateau and step: multiplies the learning rate."),
    Field("schedule.patience", 5, PATIENCE, "validations",
          "plateau: validations without improvement before the learning rate falls."),
    Field("schedule.every_epochs", 10.0, EPOCHS, "epochs", "step: time between two falls."),
    Field("schedule.rise_fraction", 0.3, INSIDE, "of the steps", "onecycle: part of the steps that rise."),
    Field("schedule.start_divisor", 25.0, Range(0, 1e12, above=True), "",
          "onecycle: largest learning rate / first one."),
    Field("schedule.end_divisor", 1e4, Range(0, 1e12, above=True), "",
          "onecycle: first learning rate / last one."),
)  # fmt: skip

TRAIN = (
    Field("train.batch_size", 16, BATCH, "images", "Images of one optimizer step, over all devices."),
    Field("train.epochs", 80.0, EPOCHS, "epochs",
          "Passes over the training split. 0 with stages, which have their own."),
    Field("train.max_steps", 0, Range(0, 2**31 - 1), "steps", "Ends the run earlier; 0 is off."),
    Field("train.precision", "float32", Choices(("float32", "bfloat16")), "",
          "Number format of the network's computations; parameters are float32."),
    Field("train.remat", "none", Choices(("none", "layers")), "",
          "layers: keeps for the backward pass only the outputs of convolutions and linear layers."),
    Field("train.accumulate_steps", 1, BATCH, "parts",
          "Parts that a batch is split into, computed one after another to save memory."),
    Field("train.steps_per_call", 1, Range(1, 10_000), "steps",
          "Steps that a device computes for each call from the host."),
    Field("train.seed", 0, Range(0, 2**32, below=True), "", "Seed of all random numbers of a run."),
    Field("train.log_every", 20, Range(1, 2**31 - 1), "steps", "Steps between two lines of the log.",
          free=True),
    Field("train.early_stop_patience", 0, PATIENCE, "validations",
          "Validations without improvement before the run ends; 0 is off."),
)  # fmt: skip
