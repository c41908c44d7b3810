"""Options of XLA's compiler for some of the programs."""

import importlib.util
from importlib import metadata

import jax
from jax.sharding import Mesh

# LLVM's level: with 0 the program compiles faster still, and then takes longer than that has saved.
_ONCE = {"xla_backend_optimization_level": 1}
# By default a TPU's program adds up all gradients at the end of the backward pass, and waits. With these,
# exchanges of gradients go on beside other work: they are split (the first two), beside products and beside
# loops over elements, such as the update of other weights (the third); and gradients are put together to so
# many bytes only, for what has been put together is not split.
_BESIDE_WORK = {
    "xla_enable_async_all_reduce": "ENABLED",
    "xla_tpu_enable_async_collective_fusion_fuse_all_reduce": True,
    "xla_tpu_enable_async_collective_fusion_fuse_kloop_fusions": True,
    "xla_jf_crs_combiner_threshold_in_bytes": 2**21,
    "xla_tpu_arf_combiner_threshold_in_bytes": 2**21,
}
# XLA refuses an option that it does not know, so only where these were tried.
TRIED = ("0.0.42",)


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


def compiled_to_train(mesh: Mesh) -> dict[str, bool | int | str] | None:
    """Returns `compiler_options` of `jax.jit` for a training step: TPUs exchange gradients beside other work.

    None where nothing is to be gained: on one device, on other kinds, and with a compiler that was not tried.

    Args:
        mesh: the devices that run it.
    """
    if mesh.size == 1 or mesh.devices.flat[0].platform != "tpu":
        return None
    if importlib.util.find_spec("libtpu") is None or metadata.version("libtpu") not in TRIED:
        return None
    return dict(_BESIDE_WORK)
