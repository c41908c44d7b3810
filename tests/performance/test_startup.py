"""A standing guard: a run must not have markedly more to trace, lower and compile before its first step.

Counts, not seconds: they are the same on every machine.
"""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest
from jax.extend.core import ClosedJaxpr, Jaxpr

from configs.resemotenet import get_config
from ferjax.cost_model.step_for_devices import assembled, stand_in
from ferjax.training.loop import train_and_evaluate
from ferjax.training.prepared import prepare

# Of the default run's step, jax 0.10.2, 2026-11-29: equations of its trace with those of what it calls, and
# lines of the program that the compiler is given. Another release of JAX may need another record.
EQUATIONS, LINES = 4066, 6506
# Of a whole run of a small network, all programs of an array or two included.
PROGRAMS = 14
MARGIN = 1.3

pytestmark = [pytest.mark.slow, pytest.mark.performance]


def equations(jaxpr: Jaxpr) -> Iterator[object]:
    """All equations of a trace, those of functions that it calls too."""
    for equation in jaxpr.eqns:
        yield equation
        for parameter in equation.params.values():
            for part in parameter if isinstance(parameter, list | tuple) else (parameter,):
                if isinstance(part, ClosedJaxpr | Jaxpr):
                    yield from equations(part.jaxpr if isinstance(part, ClosedJaxpr) else part)


def test_the_default_step_is_traced_and_lowered_to_as_little_as_was_recorded():
    config = get_config("")
    parts, _ = assembled(config, jax.devices()[:1], 7)
    rows = stand_in(config, 7, config.train.batch_size).take(np.arange(config.train.batch_size))
    step: Any = parts.train_steps[-1]  # a jitted function
    traced = step.trace(parts.like, {**rows, **parts.shared})
    found = len(list(equations(traced.jaxpr.jaxpr)))
    assert found < MARGIN * EQUATIONS, f"{found} equations, recorded {EQUATIONS}"
    lines = traced.lower().as_text().count("\n")
    assert lines < MARGIN * LINES, f"{lines} lines, recorded {LINES}"


@pytest.mark.parametrize(
    "modules",
    [
        "ferjax.commands.predict",
        "ferjax.main, ferjax.training.loop, ferjax.training.prepared",
    ],
)
def test_a_first_answer_and_a_first_step_wait_for_no_needless_import(modules):
    heavy = {"cv2", "matplotlib", "onnx", "onnxruntime", "pandas", "pyarrow", "scipy", "tensorflow", "torch"}
    code = f"import sys, {modules}; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def compilations():
    """Lists the seconds of each program that is compiled."""
    found: list[float] = []

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            found.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield found
    jax.monitoring.unregister_event_duration_listener(listen)


def test_a_run_compiles_few_programs(tiny_run, tiny_model, tmp_path, compilations):
    config = tiny_run.config(train__epochs=0.1)
    train_and_evaluate(config, tmp_path / "run", prepare)
    found = len(compilations)
    # The initial state, a step and scores at least.
    assert 3 <= found < MARGIN * PROGRAMS, f"{found} programs, recorded {PROGRAMS}"
