"""Some training steps on several meshes, as a program: the number of devices is fixed when jax starts.

`mesh_steps.py OUT.npz CASE…` stores for each of these cases of `CASES` the state and the sums after `STEPS`
steps.
"""

import sys

import jax
import numpy as np
import tiny
from jax.sharding import Mesh
from ml_collections import ConfigDict

from ferjax.cluster.mesh import global_batch, make_mesh, replicated
from ferjax.data.memory_source import MemorySource
from ferjax.runs.checksum import checksum
from ferjax.training import setup
from ferjax.training.distillation import Teacher
from ferjax.training.evaluate import evaluate_rows
from ferjax.training.without_labels import evaluate_loss

STEPS = 3
# Every training method at once.
METHODS = {
    "optimizer__sam_rho": 0.1, "loss__eac": 1.0, "distill__from": "a teacher", "loss__scn": 0.5,
    "loss__scn_relabel_epoch": 1.0, "loss__scn_relabel_margin": 0.02, "loss__group_dro": 0.1,
    "data__groups": "class",
}  # fmt: skip
# The one that cannot be combined with all of them.
PAIRED = {"loss__rul": True}
# Masked auto-encoding of a small vision transformer.
MASKED = {
    "pretrain__method": "mae", "pretrain__decoder_width": 8, "pretrain__decoder_depth": 1,
    "pretrain__decoder_heads": 2, "loss__class_weights": "none", "loss__label_smoothing": 0.0,
}  # fmt: skip
# Contrastive learning, of the tiny network.
CONTRASTIVE = {
    "pretrain__method": "simclr", "pretrain__projection_size": 8, "augment__brightness": 0.4,
    "loss__class_weights": "none", "loss__label_smoothing": 0.0,
}  # fmt: skip
SMALL_VIT = {"name": "vit_tiny48", "patch": 4, "width": 16, "depth": 1, "heads": 2}
GATHERED = {"mesh__gather_once": True}
# name → (fsdp, accumulate_steps, fields)
CASES = {
    "data": (1, 1, {}),
    "two parts, fsdp 4": (4, 2, PAIRED),
    "gathered once, fsdp 4": (4, 2, PAIRED | GATHERED),
    "methods, fsdp 2": (2, 1, METHODS),
    "masked, two parts, fsdp 2": (2, 2, MASKED),
    "contrastive, fsdp 2": (2, 1, CONTRASTIVE),
}


def source(count: int = 40) -> MemorySource:
    """Random images and labels."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    labels = generator.integers(0, 7, count)
    return MemorySource(images, labels, label_names=tuple("abcdefg"), name="random", split="train")


def teachers(mesh: Mesh) -> tuple[Teacher, ...]:
    """One teacher, with random weights."""
    model = tiny.TinyNet()
    variables = jax.jit(model.init)(jax.random.key(3), np.zeros((1, 16, 16, 3), np.float32))
    variables = jax.device_put(variables, replicated(mesh))
    return (Teacher("a teacher", model, variables, tuple(range(7)), 16, grey=False, checksum=0),)


def trained(fsdp: int, accumulate_steps: int, **fields: object) -> dict[str, np.ndarray]:
    """Trains on the mesh of all devices and evaluates; everything as plain arrays."""
    config = tiny.tiny_configuration(
        mesh__fsdp=fsdp, train__accumulate_steps=accumulate_steps, train__batch_size=32, **fields
    )
    if config.pretrain.method == "mae":
        config.model = ConfigDict(SMALL_VIT)
    config.eval.batch_size = 16
    mesh = make_mesh(config.mesh)
    with tiny.registered():
        taught_by = teachers(mesh) if config.distill["from"] else ()
        parts = setup.assemble(config, source(), mesh, teachers=taught_by)
    state = parts.init(np.uint32(config.train.seed))
    found = {}
    for step in range(STEPS):
        index = (np.arange(32) + 7 * step) % 40
        rows = source().take(index) | ({"index": index.astype(np.int32)} if config.loss.scn else {})
        state, sums = parts.train_steps[0](state, {**global_batch(rows, mesh), **parts.shared})
        found |= {f"sums {step} {name}": np.asarray(value) for name, value in sums.items()}
    if config.pretrain.method != "none":
        loss, confusion = evaluate_loss(config, parts.eval_step, state.variables, source(), mesh), []
    else:
        loss, confusion, *_ = evaluate_rows(parts.eval_step, state.variables, source(), 16, mesh)
    placed = {str(tuple(leaf.sharding.spec)) for leaf in jax.tree.leaves(state.params)}
    return {
        **found,
        **tiny.plain_tree(state),
        "loss": np.asarray(loss),
        "confusion": np.asarray(confusion),
        "checksum": np.asarray(checksum(parts.init(np.uint32(config.train.seed)))),
        "placed": np.asarray(sorted(placed)),
    }


if __name__ == "__main__":
    everything = {
        f"{case}/{name}": value
        for case in sys.argv[2:]
        for name, value in trained(*CASES[case][:2], **CASES[case][2]).items()
    }
    np.savez(sys.argv[1], **everything)
