"""Bytes through main memory, of a written-out TPU program and of programs that are compiled here."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ferjax.cost_model.hlo_text import arrays
from ferjax.cost_model.traffic import accesses, names_memories

PROGRAM = """HloModule jit_step, is_scheduled=true

%first (p0: f32[64,128], p1: f32[8,128]) -> f32[8,128] {
  %p0 = f32[64,128]{1,0:T(8,128)} parameter(0)
  %p1 = f32[8,128]{1,0:T(8,128)} parameter(1)
  %piece = f32[8,128]{1,0:T(8,128)} slice(%p0), slice={[0:8], [0:128]}
  ROOT %sum = f32[8,128]{1,0:T(8,128)} add(%piece, %p1)
}

%second (p0: f32[64,128], p1: f32[8,128]) -> f32[64,128] {
  %p0.1 = f32[64,128]{1,0:T(8,128)} parameter(0)
  %p1.1 = f32[8,128]{1,0:T(8,128)} parameter(1)
  %zero = s32[]{:T(128)} constant(0)
  ROOT %updated = f32[64,128]{1,0:T(8,128)} dynamic-update-slice(%p0.1, %p1.1, %zero, %zero)
}

%body (state: (s32[], f32[8,128])) -> (s32[], f32[8,128]) {
  %state = (s32[], f32[8,128]{1,0:T(8,128)}) parameter(0)
  %x = f32[8,128]{1,0:T(8,128)} get-tuple-element(%state), index=1
  %y = f32[8,128]{1,0:T(8,128)} negate(%x)
}

%condition (state: (s32[], f32[8,128])) -> pred[] {
  ROOT %less = pred[] compare(%a, %b), direction=LT
}

ENTRY %main (w: f32[64,128]) -> f32[64,128] {
  %w = f32[64,128]{1,0:T(8,128)} parameter(0)
  %copied = (f32[64,128]{1,0:T(8,128)S(1)}, f32[64,128]{1,0:T(8,128)}, u32[]{:S(2)}) copy-start(%w)
  %here = f32[64,128]{1,0:T(8,128)S(1)} copy-done(%copied)
  %cut = ((f32[64,128]{1,0:T(8,128)}), f32[8,128]{1,0:T(8,128)S(1)}, s32[]{:S(2)}) \
slice-start(%w), slice={[0:8], [0:128]}
  %part = f32[8,128]{1,0:T(8,128)S(1)} slice-done(%cut)
  %free = f32[64,128]{1,0:T(8,128)S(1)} multiply(%here, %here)
  %sliced = f32[8,128]{1,0:T(8,128)} fusion(%w, %part), kind=kLoop, calls=%first, \
metadata={op_name="jit(step)/add"}
  %in_place = f32[64,128]{1,0:T(8,128)} fusion(%w, %part), kind=kLoop, calls=%second
  %narrow = bf16[2,4,64]{2,0,1:T(8,128)(2,1)} convert(%part)
  %init = (s32[], f32[8,128]{1,0:T(8,128)}) tuple(%one, %sliced)
  %loop = (s32[], f32[8,128]{1,0:T(8,128)}) while(%init), condition=%condition, body=%body, \
backend_config={"known_trip_count":{"n":"5"}}
}
"""  # fmt: skip
PIECE, WHOLE = 8 * 128 * 4, 64 * 128 * 4


def test_only_main_memory_counts():
    assert names_memories(PROGRAM)
    found = {access.name: access for access in accesses(PROGRAM)}
    moved = {name: (access.read, access.written) for name, access in found.items()}
    assert moved == {
        "copied": (WHOLE, 0),
        "cut": (PIECE, 0),
        "sliced": (PIECE, PIECE),  # of the whole only a piece is read
        "in_place": (0, PIECE),
        "narrow": (0, 4 * 8 * 128 * 2),  # 64 of 128 lanes and two of eight rows hold something
        "y": (5 * PIECE, 5 * PIECE),
        "less": (0, 5),
    }
    assert found["y"].times == 5
    assert found["sliced"].operation == "jit(step)/add"


@pytest.mark.parametrize(
    ("text", "size", "padded", "memory"),
    [("f32[3,5]{1,0}", 60, 60, 0), ("f32[3,5]{1,0:T(8,128)}", 60, 4096, 0), ("u8[7]{0:S(1)}", 7, 7, 1),
     ("bf16[]{:T(128)}", 2, 2, 0), ("bf16[8,64]{0,1:T(8,128)(2,1)}", 1024, 64 * 128 * 2, 0),
     ("pred[9]", 9, 9, 0)],
)  # fmt: skip
def test_arrays_are_read_with_their_tiles(text, size, padded, memory):
    (array,) = arrays(text)
    assert (array.size, array.padded, array.memory) == (size, padded, memory)


def test_a_program_of_this_machine_moves_what_it_reads_and_makes():
    x = np.ones((300, 200), np.float32)
    text = jax.jit(lambda x: jnp.sin(x) * 2).lower(x).compile().as_text()
    assert not names_memories(text)
    assert sum(access.total for access in accesses(text)) == 2 * x.nbytes
