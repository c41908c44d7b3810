"""Training images on the device and several steps a call: the same run in every bit."""

import jax
import numpy as np
import pytest
import tiny

import ferjax.training.calls
import ferjax.training.device_source
import ferjax.training.loop
from ferjax.cluster.mesh import make_mesh
from ferjax.config import validate
from ferjax.data.memory_source import MemorySource
from ferjax.errors import UserError
from ferjax.training.device_source import DeviceSource
from ferjax.training.loop import Stopped, train_and_evaluate
from ferjax.training.prepared import prepare
from ferjax.training.signals import Interrupts

pytestmark = pytest.mark.usefixtures("tiny_model")
# 140 images, 8.75 steps an epoch; a validation every 9. Three steps at once end within none of the intervals.
FIELDS = {
    "train__max_steps": 20, "train__log_every": 5, "checkpoint__every_steps": 7, "eval__every_epochs": 1.0,
    "train__epochs": 9.0,
}  # fmt: skip
FAST = {"data__cache": "device", "train__steps_per_call": 3}


def trained(tiny_run, tmp_path_factory, name, **fields):
    workdir = tmp_path_factory.mktemp(name)
    with tiny.registered():
        train_and_evaluate(tiny_run.config(**FIELDS, **fields), workdir)
    return workdir


@pytest.fixture(scope="module", autouse=True)
def optimised():
    """Compiles as training does: how a sum is rounded is a matter of how it is compiled."""
    with tiny.optimised():
        yield


@pytest.fixture(scope="module")
def plain(tiny_run, tmp_path_factory):
    """The workdir of a run from memory, a step a call."""
    return trained(tiny_run, tmp_path_factory, "plain")


@pytest.fixture(scope="module")
def several(tiny_run, tmp_path_factory):
    """Likewise, up to four steps a call."""
    return trained(tiny_run, tmp_path_factory, "several", train__steps_per_call=4)


def assert_same_run(workdir, other):
    tiny.assert_same(tiny.newest(workdir)[0], tiny.newest(other)[0])
    assert tiny.result(workdir) == tiny.result(other)
    assert tiny.steady(tiny.rows(workdir)) == tiny.steady(tiny.rows(other))


def test_images_on_the_device_give_the_same_run_in_every_bit(tiny_run, plain, tmp_path):
    train_and_evaluate(tiny_run.config(**FIELDS, data__cache="device"), tmp_path)
    assert_same_run(tmp_path, plain)


@pytest.mark.slow
def test_how_many_steps_a_call_has_changes_no_bit(tiny_run, several, tmp_path):
    train_and_evaluate(tiny_run.config(**FIELDS, **FAST), tmp_path)
    assert_same_run(tmp_path, several)


def test_several_steps_a_call_are_single_steps_up_to_rounding(plain, several):
    state, expected = tiny.newest(several)[0], tiny.newest(plain)[0]
    assert state.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(state[name], values, rtol=1e-3, atol=1e-5, err_msg=name)
    rows, others = tiny.rows(several), tiny.rows(plain)
    assert [(row["step"], row["split"]) for row in rows] == [(row["step"], row["split"]) for row in others]
    for row, other in zip(rows, others, strict=True):
        assert row["loss"] == pytest.approx(other["loss"], rel=1e-4)


@pytest.mark.slow
def test_calls_end_where_something_is_due(tiny_run, tmp_path, monkeypatch):
    reached = []
    monkeypatch.setattr(ferjax.training.loop.watchdog, "progressed", reached.append)
    train_and_evaluate(tiny_run.config(**FIELDS, **FAST), tmp_path)
    # Told: 1, 5, 10, 15; saved: 7, 14; validated: 9, 20.
    assert reached == [1, 4, 5, 7, 9, 10, 13, 14, 15, 18, 20]


@pytest.mark.slow
def test_a_stopped_run_goes_on_the_same(tiny_run, several, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Interrupts, "asked", lambda self, step: step == 12)
        with pytest.raises(Stopped, match="step 13"):  # the end of the call
            train_and_evaluate(tiny_run.config(**FIELDS, **FAST), tmp_path)
    train_and_evaluate(tiny_run.config(**FIELDS, train__steps_per_call=3), tmp_path)  # from memory
    tiny.assert_same(tiny.newest(tmp_path)[0], tiny.newest(several)[0])
    assert tiny.result(tmp_path) == tiny.result(several)


def test_the_step_takes_nothing_from_the_host(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setattr(
        ferjax.training.calls,
        "global_batches",
        lambda rows, mesh, length: {"index": np.zeros((length, 16), np.int32), "count": np.int32(1)},
    )
    with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
        train_and_evaluate(tiny_run.config(**FIELDS, **FAST), tmp_path)


def source(count=9):
    images = np.random.default_rng(0).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return MemorySource(
        images, np.arange(count) % 7, label_names=tuple("abcdefg"), name="nine", split="train"
    )


def test_a_source_on_the_device_gives_indices_of_what_it_holds(tiny_run):
    host = source()
    held = DeviceSource(host, make_mesh(tiny_run.config().mesh))
    assert (len(held), held.labels.tolist(), held.digest()) == (9, host.labels.tolist(), host.digest())
    assert held.nbytes == 9 * 48
    np.testing.assert_array_equal(held[3]["image"], host[3]["image"])
    batch = held.take([4, 0, 4])
    assert set(batch) == {"index"}
    assert (batch["index"].dtype, batch["index"].tolist()) == (np.int32, [4, 0, 4])
    with pytest.raises(IndexError):
        held.take([9])
    rows = ferjax.training.steps.gather({**batch, "held": held.held})
    for name, values in host.take([4, 0, 4]).items():
        np.testing.assert_array_equal(rows[name], values)
        assert rows[name].dtype == values.dtype


def test_what_does_not_fit_is_told(tiny_run, monkeypatch):
    monkeypatch.setattr(ferjax.training.device_source, "memory_of_a_device", lambda: 1000)
    config = tiny_run.config(**FAST, train__log_every=3, checkpoint__every_steps=0)
    with pytest.raises(UserError, match=r"fer2013 train takes .* use data\.cache=memory or disk"):
        prepare(config, make_mesh(config.mesh))


def test_the_memory_of_a_device_is_known():
    assert ferjax.training.device_source.memory_of_a_device() > 2**28


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"train__steps_per_call": 0}, "train.steps_per_call is 0; it must be at least 1"),
        ({"data__cache": "device", "data__workers": 1}, "set data.cache=stream or data.workers=0"),
    ],
)
def test_fields_that_cannot_be_right(tiny_run, fields, words):
    with pytest.raises(UserError, match=words):
        validate(tiny_run.config(**{**FIELDS, **fields}))


def test_programs_keep_no_images(tiny_run):
    """The split is an argument of the program, not a constant in it."""
    config = tiny_run.config(**FIELDS, **FAST)
    ready = prepare(config, make_mesh(config.mesh))
    index = jax.ShapeDtypeStruct((3, 16), np.int32)
    held = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), ready.train.held)
    lowered = ready.parts.several_steps[0].lower(
        ready.parts.like, {"index": index, "held": held, "count": jax.ShapeDtypeStruct((), np.int32)}
    )
    shape = "x".join(map(str, (140, *ready.train.image_shape)))
    assert f"tensor<{shape}xui8>" in lowered.as_text().split("@main", 1)[1].splitlines()[0]
