"""Options of XLA's compiler for some of the programs."""

import importlib.util
import os
from importlib import metadata

import jax
from jax.sharding import Mesh

# LLVM's level: with 0 the program compiles faster still, and then takes longer than that has saved.
_ONCE = {"xla_backend_optimization_level": 1}
# On CPUs, fusions become LLVM's language by XLA's older way, in a third of the time. Most steps are as fast
# or up to a fifth faster, attentional_cnn's up to a fifth slower, and its forward pass alone up to a half: so
# those are compiled as XLA would (docs/benchmarks.md).
OLDER_FUSIONS = "xla_cpu_use_fusion_emitters"
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
# XLA refuses an option that it does not know, so only where these were tried: versions of jaxlib, of libtpu.
TRIED_ON_CPU = ("0.10.2",)
TRIED = ("0.0.42",)

Options = dict[str, bool | int | str]


def compiled_to_run_once(mesh: Mesh) -> Options | None:
    """Returns `compiler_options` of `jax.jit` for a program that runs once, such as the initial state's.

    On a CPU ResEmoteNet's initial state then compiles in a quarter of the processor time and has the same
    bits. None on other devices, where nothing is to be gained.

    Args:
        mesh: the devices that run it.
    """
    if _platform(mesh) != "cpu":
        return None
    # JAX_DISABLE_MOST_OPTIMIZATIONS asks for even less.
    once = {} if jax.config.read("jax_disable_most_optimizations") else _ONCE
    return (sooner_on_cpu() | once) or None


def compiled_to_train(mesh: Mesh) -> Options | None:
    """Returns `compiler_options` of `jax.jit` for a training step.

    CPUs compile it sooner, TPUs exchange gradients beside other work. None where nothing is to be gained: on
    one TPU, on GPUs, and with a compiler that was not tried.

    Args:
        mesh: the devices that run it.
    """
    if _platform(mesh) == "cpu":
        return sooner_on_cpu() or None
    if mesh.size == 1 or _platform(mesh) != "tpu":
        return None
    if importlib.util.find_spec("libtpu") is None or metadata.version("libtpu") not in TRIED:
        return None
    return dict(_BESIDE_WORK)


def sooner_on_cpu() -> Options:
    """Returns the options with which a CPU's program compiles sooner; none where XLA_FLAGS chose already."""
    chosen = OLDER_FUSIONS in os.environ.get("XLA_FLAGS", "")
    return {} if chosen or metadata.version("jaxlib") not in TRIED_ON_CPU else {OLDER_FUSIONS: False}


def _platform(mesh: Mesh) -> str:
    return mesh.devices.flat[0].platform
