"""A written-out schedule: what lies between the start and the end of an exchange hides it."""

import pytest

from ferjax.cost_model.collectives import Collective, collectives
from ferjax.cost_model.hlo_text import computations, entry, instruction
from ferjax.cost_model.operations import operations
from ferjax.cost_model.roofline import Chip
from ferjax.cost_model.schedule import schedule
from ferjax.cost_model.traffic import accesses

SPLIT = 'backend_config={"async_collective_fusion_config":{"flag_start":"1"}}'
PROGRAM = f"""HloModule jit_step, is_scheduled=true

%add (x: f32[], y: f32[]) -> f32[] {{
  ROOT %sum = f32[] add(%x, %y)
}}

%starting (p0: f32[1000]) -> f32[1000] {{
  %p0 = f32[1000]{{0}} parameter(0)
  %part.1 = f32[1000]{{0}} all-reduce(%p0), channel_id=7, replica_groups={{}}, to_apply=%add, {SPLIT}
  ROOT %started = (f32[1000]{{0}}, f32[1000]{{0}}, u32[]{{:S(2)}}) custom-call(%p0, %part.1)
}}

%async_collective_fusion.1 (p0: f32[1000], p1: f32[1000], p2: f32[500]) -> f32[500] {{
  %p2 = f32[500]{{0}} parameter(2)
  %work = f32[500]{{0}} negate(%p2)
  %p0.1 = f32[1000]{{0}} parameter(0)
  %p1.1 = f32[1000]{{0}} parameter(1)
  %part.2 = f32[1000]{{0}} all-reduce(%p0.1), channel_id=7, replica_groups={{}}, to_apply=%add, {SPLIT}
  ROOT %both = (f32[500]{{0}}, f32[1000]{{0}}, f32[1000]{{0}}) tuple(%work, %p0.1, %part.2)
}}

%ending (p0: f32[1000], p1: f32[1000]) -> f32[1000] {{
  %p0.2 = f32[1000]{{0}} parameter(0)
  %p1.2 = f32[1000]{{0}} parameter(1)
  %part.3 = f32[1000]{{0}} all-reduce(%p0.2), channel_id=7, replica_groups={{}}, to_apply=%add, {SPLIT}
  ROOT %ended = f32[1000]{{0}} custom-call(%p0.2, %p1.2, %part.3)
}}

ENTRY %main (x: f32[500], g: f32[1000]) -> f32[1000] {{
  %x = f32[500]{{0}} parameter(0)
  %g = f32[1000]{{0}} parameter(1)
  %statistics = f32[500]{{0}} all-reduce(%x), channel_id=1, replica_groups={{}}, to_apply=%add
  %async-collective-start = (f32[1000]{{0}}, f32[1000]{{0}}, u32[]{{:S(2)}}) fusion(%g), kind=kCustom, \
calls=%starting
  %a = f32[1000]{{0}} get-tuple-element(%async-collective-start), index=0
  %b = f32[1000]{{0}} get-tuple-element(%async-collective-start), index=1
  %apart = f32[500]{{0}} negate(%x)
  %fused = (f32[500]{{0}}, f32[1000]{{0}}, f32[1000]{{0}}) fusion(%a, %b, %x), kind=kCustom, \
calls=%async_collective_fusion.1
  %c = f32[1000]{{0}} get-tuple-element(%fused), index=1
  %d = f32[1000]{{0}} get-tuple-element(%fused), index=2
  %async-collective-done = f32[1000]{{0}} fusion(%c, %d), kind=kCustom, calls=%ending
  %gather = (f32[500]{{0}}, f32[1000]{{0}}) all-gather-start(%x), channel_id=3, replica_groups={{}}
  %between = f32[500]{{0}} negate(%x)
  %gathered = f32[1000]{{0}} all-gather-done(%gather)
}}
"""
# Half a kilobyte a second to each neighbour, no time for hops: a ring of two sends 4 kB in 4 s.
CHIP = Chip("made up", flops=1.0, memory_rate=1e3, memory=0, link_rate=1e3, wraps=0, hop=0.0)


def test_work_that_is_fused_with_an_exchange_hides_it():
    found = {each.name: each for each in schedule(PROGRAM, CHIP, (2,)).exchanges}
    assert [*found] == ["statistics", "async-collective-start", "gather"]
    times = {name: (each.seconds, each.beside, each.exposed) for name, each in found.items()}
    # Each negation reads and writes 2 kB each, 4 s. What is not fused with the exchange does not hide it.
    assert times == {
        "statistics": (2.0, 0.0, 2.0),
        "async-collective-start": (4.0, 4.0, 0.0),
        "gather": (2.0, 4.0, 0.0),
    }


def test_a_step_is_its_work_and_its_waits():
    found = schedule(PROGRAM, CHIP, (2,))
    assert found.work == pytest.approx(3 * 4.0)
    assert found.exposed == pytest.approx(2.0)
    assert found.seconds == pytest.approx(14.0)
    slow = schedule(PROGRAM, Chip("slow links", 1.0, 1e3, 0, 500.0, hop=0.0), (2,))
    assert slow.exposed == pytest.approx(4.0 + (8 - 4) + 0)
    assert found.json()["exchanges"][0]["name"] == "async-collective-start"


def test_an_exchange_in_parts_counts_once():
    assert collectives(PROGRAM, 2) == {
        Collective("all-reduce", 2000, 2): 1,
        Collective("all-reduce", 4000, 2): 1,
        Collective("all-gather", 4000, 2): 1,
    }
    moved = {access.name: (access.read, access.written) for access in accesses(PROGRAM)}
    assert moved["async-collective-start"] == (4000, 4000)
    assert moved["fused"] == (2000, 2000)
    assert "async-collective-done" not in moved


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # 8×8 pixels, 3×3 taps, a border of zeros: 22 of 24 meet a pixel along each axis.
        ("%y = f32[2,8,8,5]{3,2,1,0} convolution(%x, %k), window={size=3x3 pad=1_1x1_1}, "
         "dim_labels=b01f_01io->b01f", 2 * 2 * 5 * 4 * 22**2),
        # Every second place.
        ("%y = f32[2,4,4,5]{3,2,1,0} convolution(%x, %k), window={size=3x3 stride=2x2 pad=0_1x0_1}, "
         "dim_labels=b01f_01io->b01f", 2 * 2 * 5 * 4 * 11**2),
        # Zeros between the pixels, as in the gradient of that: of 3 taps one or two meet a pixel.
        ("%y = f32[2,15,15,5]{3,2,1,0} convolution(%x, %k), window={size=3x3 pad=1_1x1_1 lhs_dilate=2x2}, "
         "dim_labels=b01f_01io->b01f", 2 * 2 * 5 * 4 * 22**2),
    ],
)  # fmt: skip
def test_operations_of_a_convolution(line, expected):
    text = f"""%inner (x: f32[2,8,8,4], k: f32[3,3,4,5]) -> f32[2] {{
  %x = f32[2,8,8,4]{{3,2,1,0}} parameter(0)
  %k = f32[3,3,4,5]{{3,2,1,0}} parameter(1)
  {line}
}}

ENTRY %main (x: f32[2]) -> f32[2] {{
  %fused = f32[2]{{0}} fusion(%x), kind=kOutput, calls=%inner
}}
"""
    bodies = {
        name: [one for one in map(instruction, lines) if one] for name, lines in computations(text).items()
    }
    (fused,) = bodies[entry(text)]
    assert operations(fused, bodies) == expected


def test_operations_of_a_matrix_product():
    text = """%inner (x: f32[3,7], k: f32[7,5]) -> f32[3,5] {
  %x = f32[3,7]{1,0} parameter(0)
  %k = f32[7,5]{1,0} parameter(1)
  ROOT %y = f32[3,5]{1,0} convolution(%x, %k), dim_labels=bf_io->bf
}

ENTRY %main (x: f32[3,7]) -> f32[3,5] {
  %fused = f32[3,5]{1,0} fusion(%x, %k), kind=kOutput, calls=%inner
}
"""
    bodies = {
        name: [one for one in map(instruction, lines) if one] for name, lines in computations(text).items()
    }
    assert operations(bodies["main"][0], bodies) == 2 * 3 * 7 * 5
