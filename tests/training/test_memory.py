"""Batches that no memory can hold are refused before anything is allocated; those that may fit never are."""

import flax.linen as nn
import jax
import numpy as np
import pytest
import tiny
from untrained import LABELS, write_run

from ferjax.cluster.mesh import make_mesh
from ferjax.config import stages_of
from ferjax.cost_model.step_for_devices import assembled, compiled_step
from ferjax.errors import UserError
from ferjax.layers.conv import Conv
from ferjax.layers.linear import Linear
from ferjax.training import memory
from ferjax.training.setup import build_model, open_mesh
from ferjax.training.stages import parameter_shapes
from ferjax.training.teachers import read_teachers

pytestmark = pytest.mark.usefixtures("tiny_model")
GIB = 2**30


@pytest.fixture
def room(monkeypatch):
    """Sets the bytes that every device has."""

    def set_room(size):
        monkeypatch.setattr(memory, "device_memory", lambda device: size)
        monkeypatch.setattr(jax, "local_device_count", lambda: 1)

    return set_room


def layers_of(config):
    with memory.measured_layers() as layers:
        model = build_model(config, 7)
    return model, layers


def test_sizes_of_layers():
    _, layers = layers_of(tiny.tiny_configuration())
    kernels = 3 * 3 * 3 * 8 + 3 * 3 * 8 * 16 + 16 * 7
    taken = [16 * 16 * 3, 8 * 8 * 8, 16]
    given = [16 * 16 * 8, 4 * 4 * 16, 7]
    assert layers == memory.Layers(kernels, sum(taken), sum(given), max(given))


class Twice(nn.Module):
    num_classes: int = 7
    again: bool = False

    @nn.compact
    def __call__(self, images, train=False):
        conv = nn.remat(Conv)(3, 3, padding=1, name="conv") if self.again else Conv(3, 3, padding=1)
        return Linear(self.num_classes)(conv(conv(images)).mean((1, 2)))


def test_a_layer_that_is_used_twice_has_its_weights_once():
    with memory.measured_layers() as layers:
        jax.eval_shape(Twice().init, jax.random.key(0), np.zeros((1, 8, 8, 3), np.float32))
    assert (layers.weights, layers.taken) == (3 * 3 * 3 * 3 + 3 * 7, 2 * 8 * 8 * 3 + 3)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"train__batch_size": 2**20}, r"1,048,576 images of 16x16 \(train.batch_size\) needs at least 9\.\d "
         r"GiB and this machine has 8\.0: lower train.batch_size or data.image_size$"),
        ({"eval__batch_size": 2**20}, r"16x16 \(eval.batch_size\) needs .*: lower eval.batch_size or"),
        ({"data__image_size": 4096}, r"16 images of 4096x4096 \(eval.batch_size\) needs at least 8\.8 GiB"),
        ({"train__steps_per_call": 10_000, "train__batch_size": 2048},
         r"lower train.steps_per_call \(10,000\) or train.batch_size or data.image_size$"),
    ],
)  # fmt: skip
def test_refused(room, fields, words):
    room(8 * GIB)
    with pytest.raises(UserError, match=words) as caught:
        open_mesh(tiny.tiny_configuration(**fields))
    assert len(str(caught.value)) <= 400


def test_a_network_that_is_too_large_is_not_cured_by_a_smaller_batch(room):
    room(8 * GIB)
    config = tiny.tiny_configuration(data__image_size=48)
    config.model = {"name": "vgg16", "hidden": 2**16}
    with pytest.raises(UserError, match=r"vgg16 with .*: lower the widths among the network's options"):
        open_mesh(config)


def test_what_may_fit_is_not_refused(room):
    room(8 * GIB)
    for fields in (
        {"train__batch_size": 2**20, "train__accumulate_steps": 2},
        {"train__batch_size": 2**20, "train__precision": "bfloat16"},
        {"train__steps_per_call": 10_000, "train__batch_size": 2048, "data__cache": "device"},
    ):
        open_mesh(tiny.tiny_configuration(**fields))
    room(None)  # an allocator that does not say
    open_mesh(tiny.tiny_configuration(train__batch_size=2**20))


def test_frozen_layers_keep_nothing(room):
    room(8 * GIB)
    open_mesh(tiny.tiny_configuration(train__batch_size=2**20, init__freeze="^(conv|bn)"))


def test_layers_that_are_computed_again_keep_little():
    config = tiny.tiny_configuration()
    stage = stages_of(config)[0]
    kept = [memory.step_bytes(config, stage, Twice(again=again), 64).kept for again in (0, 1)]
    assert kept[1] < kept[0]


def test_devices_of_a_cpu_share_its_memory(room, monkeypatch):
    config = tiny.tiny_configuration(eval__batch_size=2**20)
    _, layers = layers_of(config)
    mesh = make_mesh(config.mesh)
    room(12 * GIB)
    memory.check_evaluation(config, layers, mesh)
    monkeypatch.setattr(jax, "local_device_count", lambda: 2)
    with pytest.raises(UserError, match="needs at least 17"):
        memory.check_evaluation(config, layers, mesh)


@pytest.fixture
def taught(tmp_path):
    """Fields of a run that learns from a network of larger images."""
    teacher = write_run(tmp_path / "teacher", grey=False, data__image_size=32)
    return {"distill__from": str(teacher), "distill__weight": 0.5}


def test_teachers_and_the_second_gradient_are_counted(room, taught):
    room(8 * GIB)
    config = tiny.tiny_configuration(train__batch_size=2**19, train__accumulate_steps=2, **taught)
    mesh = open_mesh(config)  # which does not know the teacher
    (teacher,) = read_teachers(config, LABELS)
    with pytest.raises(UserError, match=r"with its teachers and a batch of 524,288 .* at least 8\.4 GiB"):
        memory.check_teachers(config, [teacher], mesh)  # 2**18 rows of 32·32·8 numbers
    memory.check_teachers(config, [], mesh)
    weights = np.empty(9 * GIB, np.uint8)  # of which no page is touched
    with pytest.raises(UserError, match=r": lower the number or size of the teachers \(distill\.from\)$"):
        memory.check_teachers(tiny.tiny_configuration(), [teacher._replace(variables=[weights])], mesh)
    stage, model = stages_of(config)[0], build_model(config, 7)
    plain = memory.step_bytes(config, stage, model, 64)
    config.optimizer.sam_rho = 0.1
    trained = 4 * sum(np.prod(shape) for shape in parameter_shapes(model, (16, 16, 3)).values())
    assert memory.step_bytes(config, stage, model, 64) == plain._replace(moved=trained)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        pytest.param({"optimizer__sam_rho": 0.1, "loss__scn": 1.0}, marks=pytest.mark.slow),
    ],
)
def test_the_estimate_is_below_what_the_compiled_step_holds(fields, request):
    taught = request.getfixturevalue("taught") if fields else {}
    config = tiny.tiny_configuration(train__batch_size=64, eval__batch_size=64, **fields, **taught)
    model, layers = layers_of(config)
    estimate = memory.step_bytes(config, stages_of(config)[0], model, 64)
    parts, mesh = assembled(config, jax.devices()[:1], 7)
    compiled = compiled_step(config, parts, mesh).memory_analysis()
    held = estimate.state + sum(leaf.nbytes for leaf in jax.tree.leaves(parts.shared))
    head = sum(4 * leaf.size for leaf in jax.tree.leaves(parts.like.head))
    index = 4 if fields else 0
    rows = 64 * (16 * 16 * 3 + 4 + index)
    assert held <= compiled.argument_size_in_bytes <= held + head + rows + 1024
    arrays = 4 * 64 * max(layers.taken, layers.given)
    assert min(estimate.kept, arrays) + estimate.moved < compiled.temp_size_in_bytes
