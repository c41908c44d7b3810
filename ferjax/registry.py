"""Plug points: the names that configs and commands use, and the code that each name stands for.

A decorator registers a class or a function under a name, in the file that defines it:

    @network("my_net", smallest=32, usual=64, source="Me (2026)")
    class MyNet(nn.Module): ...

ferjax imports its own files when a name is first looked up, so a new file in the right folder is enough. A
name `package.module:Object` stands for code anywhere on Python's path or in the current folder, registered or
not.
docs/extend.md shows one example of each kind.
"""

import contextlib
import dataclasses
import importlib
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Generic, TypeVar

from ferjax.errors import UserError, foreign, nearest

Target = TypeVar("Target")
Facts = TypeVar("Facts")
Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclasses.dataclass(frozen=True)
class Entry(Generic[Target, Facts]):
    """A name and the code that it stands for.

    Attributes:
        name: as in a config, `resnet18` or `package.module:Object`.
        target: the class or function; a `functools.partial` of it where the name fixes arguments.
        facts: those that the decorator stated; None for an object named by its path and not registered.
    """

    name: str
    target: Target
    facts: Facts | None


class Registry(Generic[Target, Facts]):
    """The names of one kind of plug-in."""

    def __init__(self, kind: str, home: str) -> None:
        """Starts without names.

        Args:
            kind: the word for one plug-in in messages, such as `model`.
            home: the module, or the package whose modules, register ferjax's own.
        """
        self.kind = kind
        self._home = home
        self._entries: dict[str, Entry[Target, Facts]] = {}
        self._loaded = False

    def add(self, name: str, target: Target, facts: Facts) -> None:
        """Registers a name.

        Raises:
            ValueError: the name is taken by other code.
        """
        known = self._entries.get(name)
        if known is not None and _place(known.target) != _place(target):
            raise ValueError(f"{self.kind} {name!r} is registered by {_place(known.target)} already")
        self._entries[name] = Entry(name, target, facts)

    @contextlib.contextmanager
    def replaced(self, name: str, target: Target, facts: Facts) -> Iterator[None]:
        """Lets a name, new or known, stand for other code inside a `with` block."""
        with self.restored():
            self._entries[name] = Entry(name, target, facts)
            yield

    @contextlib.contextmanager
    def restored(self) -> Iterator[None]:
        """Forgets what is registered inside a `with` block."""
        self._load()
        before = dict(self._entries)
        try:
            yield
        finally:
            self._entries = before

    def names(self) -> tuple[str, ...]:
        """The registered names, sorted."""
        self._load()
        return tuple(sorted(self._entries))

    def entries(self) -> tuple[Entry[Target, Facts], ...]:
        """The registered entries, sorted by name."""
        return tuple(self._entries[name] for name in self.names())

    def find(self, name: str) -> Entry[Target, Facts]:
        """Looks a name up, or imports the object that `package.module:Object` names.

        Raises:
            UserError: there is no such name (the nearest are listed), or the object cannot be imported.
        """
        self._load()
        if name in self._entries:
            return self._entries[name]
        if ":" in name:
            return self._imported(name)
        raise UserError(
            f"unknown {self.kind} {name!r}; the nearest are {nearest(name, self.names())} (code of your own "
            "is named package.module:Object)"
        )

    def _imported(self, path: str) -> Entry[Target, Facts]:
        target = import_object(path, self.kind)
        # The same object may be registered: then its facts are known.
        registered = [entry for entry in self._entries.values() if entry.target is target]
        return Entry(path, target, registered[0].facts if registered else None)

    def _load(self) -> None:
        if self._loaded:
            return
        home = importlib.import_module(self._home)
        for module in pkgutil.iter_modules(getattr(home, "__path__", [])):
            importlib.import_module(f"{self._home}.{module.name}")
        self._loaded = True


def import_object(path: str, kind: str) -> Any:
    """Imports `package.module:Object`.

    The current folder is searched last, as an installed `ferjax` command does not search it.

    Args:
        path: the module and the object in it.
        kind: what the object should be, for messages.

    Raises:
        UserError: the module cannot be imported, or has no such object; one line says which.
    """
    module_name, _, name = path.partition(":")
    here = os.getcwd()
    searched = here in sys.path or "" in sys.path
    if not searched:
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # code of the user's own: anything may go wrong in it
        what = foreign(error)
        raise UserError(
            f"cannot import {module_name!r} for {kind} {path!r} ({what}); it must be installed, or lie "
            "on PYTHONPATH or in this folder"
        ) from error
    finally:
        if not searched:
            sys.path.remove(here)
    try:
        return getattr(module, name)
    except AttributeError:
        raise UserError(
            f"{module_name} has no {name!r} for {kind} {path!r}; it has "
            + nearest(name, (known for known in vars(module) if not known.startswith("_")))
        ) from None


def _place(target: Any) -> str:
    """Where code is defined, as `module:name`."""
    if isinstance(target, partial):
        return _place(target.func)
    return f"{target.__module__}:{target.__qualname__}"


@dataclasses.dataclass(frozen=True)
class NetworkFacts:
    """Facts about a network beside its code.

    Attributes:
        smallest: pixels, both sides, of the smallest images that it takes.
        usual: pixels, both sides, of its paper's images.
        source: authors and year.
    """

    smallest: int
    usual: int
    source: str


NETWORKS: Registry[Callable[..., Any], NetworkFacts] = Registry("model", home="ferjax.models")


def network(
    name: str, *, smallest: int, usual: int, source: str, **fixed: Any
) -> Callable[[Decorated], Decorated]:
    """Registers a Linen module class, called with `num_classes` and the options of the config group `model`.

    Args:
        name: `model.name` in a config.
        smallest: see `NetworkFacts`.
        usual: see `NetworkFacts`.
        source: see `NetworkFacts`.
        **fixed: attributes of the class that the name fixes, which are then no options.
    """

    def register(module: Decorated) -> Decorated:
        NETWORKS.add(
            name, partial(module, **fixed) if fixed else module, NetworkFacts(smallest, usual, source)
        )
        return module

    return register


@dataclasses.dataclass(frozen=True)
class DataSetFacts:
    """Facts about a data set beside its builder.

    Attributes:
        config: the builder's TFDS config, such as a style of the toons; None without one.
    """

    config: str | None


DATA_SETS: Registry[Any, DataSetFacts] = Registry("data set", home="ferjax.data.sets")


def data_set(name: str, config: str | None = None) -> Callable[[Decorated], Decorated]:
    """Registers a TFDS builder class, see `ferjax.data.builders.base.LicensedBuilder`.

    Args:
        name: `data.name` in a config, and what `ferjax prepare` takes.
        config: see `DataSetFacts`.
    """

    def register(builder: Decorated) -> Decorated:
        DATA_SETS.add(name, builder, DataSetFacts(config))
        return builder

    return register


@dataclasses.dataclass(frozen=True)
class ScheduleFacts:
    """Facts about a learning-rate schedule beside its function.

    Attributes:
        warmup: whether `schedule.warmup_epochs` may come before it.
    """

    warmup: bool = True


LOSSES: Registry[Callable[..., Any], None] = Registry("loss", home="ferjax.training.losses")
OPTIMIZERS: Registry[Callable[..., Any], None] = Registry("optimizer", home="ferjax.training.optimizers")
SCHEDULES: Registry[Callable[..., Any], ScheduleFacts] = Registry(
    "schedule", home="ferjax.training.schedules"
)
AUGMENTATIONS: Registry[Callable[..., Any], None] = Registry("augmentation", home="ferjax.augment")


def loss(name: str) -> Callable[[Decorated], Decorated]:
    """Registers `f(logits, labels, class_weights, config, **options) -> (loss [B], weight [B])`.

    It is called in the jitted step: logits float `[B, K]`, labels int `[B]` or distributions `[B, K]`, class
    weights float `[K]` or None, `config` the group `loss`, options those of `loss.options`. The weight of an
    example is its class's; the batch's loss is the sum of losses by the sum of weights.
    """
    return partial(_register, LOSSES, name, None)


def optimizer(name: str) -> Callable[[Decorated], Decorated]:
    """Registers `f(config, learning_rate, **options) -> optax.GradientTransformation`.

    `config` is the group `optimizer`, `learning_rate` an `optax.Schedule`, options those of
    `optimizer.options`. The result may also be a list, to be chained. Clipping by `optimizer.clip_norm` comes
    before it.
    """
    return partial(_register, OPTIMIZERS, name, None)


def schedule(name: str, warmup: bool = True) -> Callable[[Decorated], Decorated]:
    """Registers `f(config, learning_rate, total_steps, steps_per_epoch, **options) -> optax.Schedule`.

    `config` is the group `schedule`, `learning_rate` its peak for the run's batch size, options those of
    `schedule.options`. The steps of a warm-up come before it, and are not among `total_steps`.
    """
    return partial(_register, SCHEDULES, name, ScheduleFacts(warmup))


def augmentation(name: str) -> Callable[[Decorated], Decorated]:
    """Registers `f(keys, images, strength) -> images`, which `augment.extra="name=strength"` switches on.

    Keys are typed, `[B]`, one an example; images float32 `[B, H, W, C]`, 0 to 255, as the result.
    """
    return partial(_register, AUGMENTATIONS, name, None)


def _register(registry: Registry[Any, Any], name: str, facts: Any, function: Decorated) -> Decorated:
    registry.add(name, function, facts)
    return function


VERB_GROUPS = ("data", "training", "several runs", "looking closer", "use", "PyTorch", "hardware")


def verb(group: str, help: str) -> Callable[[Decorated], Decorated]:
    """Makes `main(argv) -> exit code or None` of a file in ferjax/commands/ the command named after the file.

    `ferjax --help` reads both texts from the source without importing it, so they must be written out.

    Args:
        group: one of `VERB_GROUPS`, under which `ferjax --help` lists it.
        help: what it does, in one line that begins with a verb.
    """
    if group not in VERB_GROUPS:
        raise ValueError(f"the group of a verb is one of {', '.join(VERB_GROUPS)}, not {group!r}")
    del help  # read from the source
    return lambda main: main
