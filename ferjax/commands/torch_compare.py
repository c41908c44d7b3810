"""`python -m ferjax torch-compare --model=NAME`: compares a network's numbers with PyTorch's.

Both frameworks get the same weights, from --weights or as PyTorch draws them, and the same batches of noise,
without dropout: outputs of every layer and block, logits, loss, running statistics and every gradient, then
some steps of SGD with momentum and of AdamW, both with weight decay and a cosine schedule. Exit code 1 if
anything differs by more than its tolerance.
"""

from pathlib import Path

from absl import flags

from ferjax.commands import framework
from ferjax.errors import UserError
from ferjax.files import to_json
from ferjax.interop import comparison
from ferjax.interop.compared import compare
from ferjax.interop.import_file import options_of
from ferjax.interop.torch_networks import network
from ferjax.platform import outputs
from ferjax.platform.machine import keep_compiled
from ferjax.registry import verb

_VERB = "torch-compare"
_MODEL = flags.DEFINE_string("model", None, "The network's name.", required=True)
_WEIGHTS = framework.path_flag(
    "weights", "", "A .safetensors or .pth with its weights; PyTorch's random ones if empty."
)
_OPTIONS = flags.DEFINE_string("options", "", "The network's options: key=value, separated by commas.")
_PRECISION = flags.DEFINE_list(
    "precision", list(comparison.PRECISIONS), "float64, float32 or both, separated by commas."
)
_STEPS = flags.DEFINE_integer("steps", 5, "Steps of each optimizer; 0: none.", 0, 10_000)
_BATCH = flags.DEFINE_integer("batch", 8, "Images in a batch.", 2, 4096)
_IMAGE_SIZE = flags.DEFINE_integer(
    "image_size", 0, "Pixels, both sides; 0: a size that suits the network.", 0, 4096
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the random weights and batches.", lower_bound=0)
_OUT = framework.path_flag("out", "", "A .md for the tables by group and by layer, or a .json for every gap.")


@verb("PyTorch", "compare a network's numbers with PyTorch's, layer by layer")
def main(argv: list[str]) -> int:
    """Prints the table; returns 1 if something differs by more than its tolerance."""
    framework.no_arguments(argv)
    name, precisions, out = _MODEL.value, tuple(_PRECISION.value), Path(_OUT.value)
    table = network(name)
    if unknown := set(precisions) - set(comparison.PRECISIONS):
        raise UserError(f"--precision takes {' and '.join(comparison.PRECISIONS)}, not {', '.join(unknown)}")
    if _OUT.value and out.suffix not in (".md", ".json"):
        raise UserError(f"--out={out} ends neither in .md nor in .json")
    outputs.check(_VERB, *([out] if _OUT.value else ()))
    keep_compiled()
    options = options_of(_OPTIONS.value)
    groups = compare(
        name,
        weights=_WEIGHTS.value,
        precisions=precisions,
        steps=_STEPS.value,
        batch=_BATCH.value,
        image_size=_IMAGE_SIZE.value or table.image_size,
        seed=_SEED.value,
        options=options,
    )
    print(comparison.summary_table(groups))
    if out.suffix == ".md":
        text = f"{comparison.summary_table(groups)}\n\n{comparison.layer_table(groups)}\n"
        outputs.write(_VERB, out, text.encode())
    elif out.suffix == ".json":
        content = to_json({"model": name, "groups": list(comparison.as_json(groups))})
        outputs.write(_VERB, out, content)
    return int(any(group.parting for group in groups))
