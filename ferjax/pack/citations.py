"""What to cite for some runs, as BibTeX: their networks, data sets and training methods, and ferjax.

A network states its source in its registration, a data set in its builder's attribute SOURCE, such as
"Roy et al. (2024)"; the full entries are in `references.bib`. A source without an entry there, such as that
of a network of one's own, is given as it is stated: nothing is made up.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ferjax
from ferjax.data.builders import catalogue
from ferjax.errors import UserError
from ferjax.registry import NETWORKS

_ENTRIES = Path(__file__).with_name("references.bib")
_SOURCE = re.compile(r"([^;()]+) \((\d{4})\)")
_OWN = "ferjax"
# Config field → the value that switches it off, and the entry to cite where it has another one.
METHODS: dict[str, tuple[Any, str]] = {
    "optimizer.sam_rho": (0, "foret2021"),
    "loss.eac": (0, "zhang2022"),
    "loss.scn": (0, "wang2020scn"),
    "loss.rul": (False, "zhang2021"),
    "loss.group_dro": (0, "sagawa2020"),
    "loss.focal_gamma": (0, "lin2017"),
    "distill.from": ("", "hinton2015"),
    "distill.attention": (0, "zagoruyko2017"),
    "augment.mixup": (0, "zhang2018mixup"),
    "augment.cutmix": (0, "yun2019"),
    "augment.randaugment": (0, "cubuk2020"),
    "augment.erase": (0, "zhong2020"),
}
_CLASS_BALANCED = ("loss.class_weights", "effective", "cui2019")


def entries() -> dict[str, str]:
    """Reads `references.bib`: key → entry."""
    lines = _ENTRIES.read_text(encoding="utf-8").splitlines()
    return {line.partition("{")[2].partition(",")[0]: line for line in lines if line.startswith("@")}


def bibtex(configs: Iterable[Mapping[str, Any]]) -> str:
    """Returns the BibTeX of what runs used, ferjax first, then by key.

    Args:
        configs: of each run its fields, `group.field` → value, such as
            `ferjax.runs.config_check.fixed_fields` gives.
    """
    known = entries()
    cited: dict[str, str] = {}
    for fields in configs:
        for what, source in (
            (f"the network {fields['model.name']}", network_source(fields["model.name"])),
            (f"the data set {fields['data.name']}", data_set_source(fields["data.name"])),
        ):
            for key, stated in keys(source).items():
                cited[key] = known.get(key, _as_stated(key, stated, what))
        for key in method_keys(fields):
            cited[key] = known[key]
    parts = [_own_entry(), *(cited[key] for key in sorted(cited))]
    return "\n\n".join(parts) + "\n"


def network_source(name: str) -> str:
    """Returns the source that a network states; empty for one that states none, or is not here."""
    try:
        facts = NETWORKS.find(name).facts if ":" not in name else None
    except UserError:
        return ""
    return facts.source if facts else ""


def data_set_source(name: str) -> str:
    """Returns the source that a data set's builder states; empty for one that states none, or is not here."""
    try:
        builder = catalogue.builder_class(name) if ":" not in name else None
    except UserError:
        return ""
    return getattr(builder, "SOURCE", "")


def keys(source: str) -> dict[str, str]:
    """Returns key → authors and year of each source in a text; ferjax itself is left out.

    >>> keys("Schroff et al. (2015); El Boudouri & Bohi (2023)")
    {'schroff2015': 'Schroff et al. (2015)', 'elboudouri2023': 'El Boudouri & Bohi (2023)'}
    """
    found = {}
    for authors, year in _SOURCE.findall(source):
        first = re.split(r",| & | et al", authors.strip())[0]
        plain = unicodedata.normalize("NFKD", first).encode("ascii", "ignore").decode()
        name = re.sub(r"[^a-z]", "", plain.lower())
        if name != _OWN:
            found[f"{name}{year}"] = f"{authors.strip()} ({year})"
    return found


def method_keys(fields: Mapping[str, Any]) -> list[str]:
    """Returns the entries of the training methods that a config switches on."""
    used = [key for field, (off, key) in METHODS.items() if fields.get(field, off) != off]
    field, value, key = _CLASS_BALANCED
    return [*used, *([key] if fields.get(field) == value else [])]


def _as_stated(key: str, stated: str, what: str) -> str:
    """Makes an entry that says no more than the source itself."""
    return f"@misc{{{key}, note = {{{what}: {stated}}}}}".replace("&", r"\&").replace("_", r"\_")


def _own_entry() -> str:
    return (
        "@software{ferjax, author = {{The ferjax authors}}, title = {{ferjax}: facial-emotion recognition "
        f"networks in {{JAX}} and {{Flax}}}}, version = {{{ferjax.__version__}}}}}"
    )
