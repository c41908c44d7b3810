"""The schema of the groups init, stages, mesh, checkpoint and eval: where a run begins, runs and is saved."""

from ferjax.config.data_fields import SWITCH
from ferjax.config.field import Anything, Choices, Field, Pattern, Place, Range, Text
from ferjax.config.training_fields import BATCH, EPOCHS, RATE

WEIGHT = Range(0, 1_000_000)

INIT = (
    Field("init.from", "", Place("a file or a folder"), "",
          "Weights to begin from: a workdir, one of its checkpoints, an import, a bundle, .safetensors, "
          ".pth, or faces, the network that ferjax ships; empty: random."),
    Field("init.into", "", Text("a module's name"), "",
          "The module that takes the weights, such as backbone; empty: the whole network."),
    Field("init.new", "", Pattern(), "", "Arrays that begin at random all the same, by their paths."),
    Field("init.freeze", "", Pattern(), "", "Parameters that are not trained, by their paths."),
    Field("init.freeze_statistics", True, SWITCH, "",
          "Frozen batch normalisation uses and keeps its running statistics."),
)  # fmt: skip

STAGES = (
    Field("stages", {}, Anything("stage1, stage2, …"), "",
          "Stages of training, one after another (see ferjax.config.set_stages); empty: one."),
)  # fmt: skip

# Every stage has these.
STAGE_FIELDS = (
    Field("stages.stageN.epochs", 1.0, EPOCHS, "epochs", "Length of the stage."),
    Field("stages.stageN.learning_rate", 1e-3, RATE, "", "Learning rate of its schedule, which begins anew."),
    Field("stages.stageN.freeze", "", Pattern(), "", "Parameters that are not trained, by their paths."),
    Field("stages.stageN.depth_decay", 1.0, Range(0, 1, above=True), "",
          "Each group of layers has this much of the learning rate of the group after it."),
    Field("stages.stageN.cross_entropy", 1.0, WEIGHT, "", "Weight of the loss that loss.name stands for."),
    Field("stages.stageN.auxiliary", 1.0, WEIGHT, "", "Weight of the losses that the network defines."),
    Field("stages.stageN.auxiliary_losses", "", Pattern(), "",
          "Which of the network's own losses count, by their names; empty: all."),
)  # fmt: skip

MESH = (
    Field("mesh.data", -1, Range(1, 2**20, also=-1), "devices",
          "Devices that each take a part of the batch; -1: all that are left.", free=True),
    Field("mesh.fsdp", 1, Range(1, 2**20), "devices",
          "Devices that also divide the parameters among themselves.", free=True),
    Field("mesh.gather_once", False, SWITCH, "",
          "With fsdp: gathers all parameters at the start of a step, in train.precision, instead of leaving "
          "their exchange to the compiler.", free=True),
)  # fmt: skip

CHECKPOINT = (
    Field("checkpoint.keep", 2, Range(1, 1_000_000), "checkpoints", "Newest ones kept beside the best.",
          free=True),
    Field("checkpoint.every_steps", 0, Range(0, 2**31 - 1), "steps",
          "Saves between validations too; 0 is off.", free=True),
)  # fmt: skip

EVAL = (
    Field("eval.batch_size", 64, BATCH, "images", "Images of one evaluation step, over all devices."),
    Field("eval.every_epochs", 1.0, EPOCHS, "epochs", "Time between two validations."),
    Field("eval.crops", "none", Choices(("none", "flip", "five", "ten")), "",
          "Averages over the centre and its mirror image (flip), five crops, or these and their mirror "
          "images (ten)."),
    Field("eval.also_best_on_test", False, SWITCH, "",
          "Also scores test at every validation and tells the best, the field's habit; chooses nothing."),
)  # fmt: skip
