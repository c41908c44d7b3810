"""Exchanges as compiled programs write them."""

import jax
import jax.numpy as jnp
import pytest

from ferjax.cost_model.collectives import Collective, collectives

PROGRAM = """HloModule jit_step

%add (x: f32[], y: f32[]) -> f32[] {
  ROOT %sum = f32[] add(%x, %y)
}

%body (state: (s32[], f32[4,8])) -> (s32[], f32[4,8]) {
  %one = f32[4,8]{1,0} all-reduce(%x), channel_id=1, replica_groups=[2,4]<=[8], to_apply=%add
}

%condition (state: (s32[], f32[4,8])) -> pred[] {
  ROOT %less = pred[] compare(%a, %b), direction=LT
}

%all-reduce-scatter.1 (x: bf16[64]) -> bf16[16] {
  %whole = bf16[64]{0:T(1024)} all-reduce(%x), replica_groups={{0,1,2,3},{4,5,6,7}}, to_apply=%add
}

ENTRY %main (x: f32[4,8]) -> f32[4,8] {
  %several = (f32[10]{0}, /*index=1*/bf16[3,3]{1,0}) all-reduce(%a, %b), replica_groups={}, to_apply=%add
  %loop = (s32[], f32[4,8]) while(%init), condition=%condition, body=%body, \
backend_config={"known_trip_count":{"n":"5"}}
  %start = (f32[2,8]{1,0}, f32[8,8]{1,0}) all-gather-start(%x), replica_groups=mesh['a'=2,'b'=4], \
device_ids=([4,2]T(1,0)) {'b'}, dimensions={0}
  %done = f32[8,8]{1,0} all-gather-done(%start)
  %part = f32[16]{0} reduce-scatter(%x), replica_groups=mesh['a'=8] {'a':(1)2}, to_apply=%add
  %fused = bf16[16]{0} fusion(%x), kind=kCustom, calls=%all-reduce-scatter.1
  %moved = f32[6]{0} collective-permute(%x), source_target_pairs={{0,1},{1,0}}
  %alone = f32[6]{0} all-reduce(%x), replica_groups={{0},{1}}, to_apply=%add
}
"""


def test_every_form_is_read():
    assert collectives(PROGRAM, 8) == {
        Collective("all-reduce", 40 + 18, 8): 1,
        Collective("all-reduce", 128, 4): 5,
        Collective("all-gather", 256, 4): 1,
        Collective("reduce-scatter", 128, 2): 1,
        Collective("reduce-scatter", 128, 4): 1,
        Collective("collective-permute", 24, 2): 1,
    }


@pytest.mark.parametrize(
    ("kind", "sent"),
    [("all-reduce", 150), ("all-gather", 75), ("reduce-scatter", 75), ("all-to-all", 75),
     ("collective-permute", 100)],
)  # fmt: skip
def test_bytes_along_a_ring_of_four(kind, sent):
    assert Collective(kind, 100, 4).sent == sent


def test_a_program_for_one_device_has_none():
    text = jax.jit(jnp.dot).lower(jnp.ones((4, 4)), jnp.ones((4, 4))).compile().as_text()
    assert collectives(text, 1) == {}
