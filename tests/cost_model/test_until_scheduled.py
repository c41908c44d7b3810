"""A compilation in a process of its own, which is ended when its schedule is written."""

import pathlib
import threading

import pytest

from ferjax.cost_model.until_scheduled import until_scheduled
from ferjax.errors import UserError

PROGRAM = "HloModule jit_step\n\nENTRY %main (x: f32[2]) -> f32[2] {\n}\n"


def compile_slowly(marker: str, compiler_options: dict[str, object]) -> None:
    """Writes what a compiler does, and then goes on until it is ended."""
    folder = pathlib.Path(str(compiler_options["xla_dump_to"]))
    name = "module_0001.jit_step"
    (folder / f"{name}.after_optimizations-memory-usage-report.txt").write_text(
        "Memory Space: default (color=0)\nTotal bytes: 1234 (1.2KiB)\n"
    )
    (folder / f"{name}.after_optimizations_after_buffer_assignment.txt").write_text(PROGRAM)
    threading.Event().wait()
    pathlib.Path(marker).write_text("machine code")


def compile_nothing(compiler_options: dict[str, object]) -> None:
    """Ends at once."""


def test_the_compiler_is_ended_when_the_schedule_is_there(tmp_path):
    marker = tmp_path / "marker"
    assert until_scheduled(compile_slowly, str(marker)) == (PROGRAM, 1234)
    assert not marker.exists()


def test_a_compiler_that_fails_is_told(tmp_path):
    with pytest.raises(UserError, match="ended before its program was scheduled"):
        until_scheduled(compile_nothing)
