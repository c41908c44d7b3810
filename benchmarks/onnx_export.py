"""Exports every registered network as ONNX, as `ferjax export` does: the time, and how much it differs.

    PYTHONPATH=tests python -m benchmarks.onnx_export [NAME…] [--usual] [--json FILE]

The weights are random, so their batch statistics are measured, layer after layer, on noise: a trained network
has those of its data. Without this, activations grow from layer to layer, and rounding with them, until any
two programs for one network differ. The temperature is the logits' standard deviation, so that no class has
all of the probability and a difference of logits shows. Networks are taken in their smallest image size; with
--usual in that of their recipe. Rows that the record already has for this size are kept, so that a run can be
ended and go on.

Seconds are those of `ferjax.deploy.onnx.export`: tracing, translating, writing, and comparing with XLA, which
is compiled for it, in three batch sizes. Processor seconds are of all threads.
"""

import functools
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from networks import pictures, trained_network

from benchmarks import command_line, measure
from ferjax import models, registry
from ferjax.augment import normalise
from ferjax.deploy import onnx
from ferjax.inference.trained import Trained
from ferjax.layers.norm import BatchNorm

PACKAGES = ("jax", "jaxlib", "flax", "onnx", "onnxruntime", "numpy")
FILE = "benchmarks/results/onnx_export.json"
_IMAGES = 32  # over which statistics are measured


def drawn_network(name: str, usual: bool = False) -> Trained:
    """A network with random weights whose activations and probabilities are of a trained one's size.

    Args:
        name: of the network.
        usual: in the image size of its recipe, not in its smallest.
    """
    facts = registry.NETWORKS.find(name).facts
    size = facts.usual if usual or name == "vit_tiny48" else facts.smallest
    network = trained_network(name, data__image_size=size)
    logits, statistics = _measured(network.model, network.variables, pictures(_IMAGES, size))
    variables = {"params": network.variables["params"], "batch_stats": jax.device_get(statistics)}
    return network._replace(variables=variables, temperature=float(np.std(logits)))


@functools.partial(jax.jit, static_argnums=0)
def _measured(model: nn.Module, variables: Any, images: jax.Array) -> tuple[jax.Array, Any]:
    """Computes logits, each layer with the statistics of what it gets; returns these, too."""

    def measured(call: Any, args: Any, kwargs: Any, context: nn.module.InterceptorContext) -> Any:
        module = context.module
        if isinstance(module, BatchNorm) and context.method_name == "__call__":
            x = args[0].astype(jnp.float32)
            axes = tuple(range(x.ndim - 1))
            module.put_variable("batch_stats", "mean", x.mean(axes))
            # Channels that hardly vary in so few pictures would be magnified, and rounding with them.
            variances = x.var(axes)
            module.put_variable("batch_stats", "var", variances + variances.mean())
        return call(*args, **kwargs)

    with nn.intercept_methods(measured):
        logits, changed = model.apply(variables, normalise(images), train=False, mutable=["batch_stats"])
    return logits, changed.get("batch_stats", {})


def row_of(name: str, usual: bool) -> dict[str, Any]:
    """Exports a network once."""
    network = drawn_network(name, usual)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        wall, processor = time.perf_counter(), time.process_time()
        gap = onnx.export(network, path)
        return {
            "what": name,
            "image_size": network.input_size,
            "seconds": time.perf_counter() - wall,
            "processor_seconds": time.process_time() - processor,
            "largest_difference": gap,
            "megabytes": path.stat().st_size / 2**20,
        }


def main() -> None:
    """Prints a row for each network, and writes the record after each."""
    parser = command_line.parser(__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--usual", action="store_true")
    parser.add_argument("--json", default=FILE)
    args = parser.parse_args()
    file = Path(args.json)
    rows = json.loads(file.read_text())["rows"] if file.exists() else []
    for name in args.names or models.names():
        row = row_of(name, args.usual)
        rows = [old for old in rows if (old["what"], old["image_size"]) != (name, row["image_size"])] + [row]
        rows.sort(key=lambda row: (row["what"], row["image_size"]))
        assert "torch" not in sys.modules
        print("  ".join(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()))
        measure.record("onnx_export", rows, PACKAGES, args.json)
        jax.clear_caches()


if __name__ == "__main__":
    main()
