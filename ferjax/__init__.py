"""ferjax: facial-emotion recognition in JAX, from a laptop to a pod.

    import ferjax

    network = ferjax.models.create("resemotenet", num_classes=7)

Everything in `__all__` is imported when it is first asked for: `import ferjax` alone is quick and needs no
JAX.
"""

from typing import TYPE_CHECKING

from ferjax.platform.lazy_modules import lazy_modules

if TYPE_CHECKING:
    from ferjax import (
        audit,
        augment,
        bulk,
        cluster,
        commands,
        config,
        cost_model,
        data,
        demo,
        deploy,
        errors,
        experiments,
        explain,
        hub,
        inference,
        interop,
        labels,
        layers,
        leaderboard,
        models,
        pack,
        platform,
        pretrained,
        recipes,
        registry,
        report,
        robustness,
        runs,
        scores,
        serve,
        storage,
        tracking,
        training,
        tune,
        web,
    )
    from ferjax.platform import process

__version__ = "0.2.0.dev0"
__all__ = [
    "audit", "augment", "bulk", "cluster", "commands", "config", "cost_model", "data", "demo", "deploy",
    "errors", "experiments", "explain", "hub", "inference", "interop", "labels", "layers", "leaderboard",
    "models", "pack", "platform", "pretrained", "process", "recipes", "registry", "report", "robustness",
    "runs", "scores", "serve", "storage", "tracking", "training", "tune", "web",
]  # fmt: skip

__getattr__, __dir__ = lazy_modules(
    __name__, {name: f"ferjax.{name}" for name in __all__} | {"process": "ferjax.platform.process"}
)
