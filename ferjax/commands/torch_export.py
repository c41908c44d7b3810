"""`python -m ferjax torch-export DIR --out=FILE`: a run's best weights as a PyTorch state dict.

DIR is a run's --workdir or a folder of torch-import. FILE ends in .safetensors, or in .pth or .pt, which need
torch. The counterpart's `load_state_dict` takes it with strict=True. A run of masked auto-encoding gives
its whole auto-encoder, encoder and decoder, under facebookresearch/mae's names.
"""

from pathlib import Path
from typing import Any

from ferjax.commands import framework
from ferjax.config import model_options
from ferjax.errors import UserError
from ferjax.files import user_path
from ferjax.interop.mae_files import export_mae
from ferjax.interop.torch_files import VERB, write_state_dict
from ferjax.interop.torch_weights import export_state_dict
from ferjax.models.mae import MaskedAutoencoder
from ferjax.platform import outputs
from ferjax.registry import verb
from ferjax.runs import weights
from ferjax.runs.config_check import read_config
from ferjax.runs.stored_config import completed
from ferjax.runs.workdir import CONFIG
from ferjax.training.network import create_model

_OUT = framework.path_flag("out", None, "The file to write.", required=True)


@verb("PyTorch", "write a run's weights as a PyTorch state dict")
def main(argv: list[str]) -> None:
    """Exports the weights of the folder named by the one argument."""
    if len(argv) != 2:
        raise UserError("torch-export takes one folder: a run's or an import's")
    folder, out = user_path(argv[1]), Path(_OUT.value)
    outputs.check(VERB, out)
    variables, meta = weights.load(folder)
    name, step = meta["model"], meta["best_step"]
    options, size = _options(folder, meta)
    if meta.get("pretraining"):
        model = create_model(completed(read_config(folder / CONFIG), folder / CONFIG), num_classes=2)
        if not isinstance(model, MaskedAutoencoder):
            raise UserError(
                f"{folder} is a run of pretrain.method={meta['pretraining']}, whose network has no "
                f"classifier, and PyTorch's has one: fine-tune it first, with --config.init.from={folder}"
            )
        state_dict = export_mae(model, variables["params"], meta["image_size"])
    else:
        state_dict = export_state_dict(name, variables, num_batches_tracked=step, image_size=size, **options)
    facts = {"model": name, "comment": outputs.mark(VERB).decode()}
    write_state_dict(out, state_dict, facts | ({"image_size": str(size)} if size else {}))
    print(f"{name} of {folder}, step {step:,}: {len(state_dict)} arrays in {out}")


def _options(folder: Path, meta: dict[str, Any]) -> tuple[dict[str, Any], int | None]:
    """Reads the network's options and the image size from an import's checkpoint, or from a run's config."""
    if "options" in meta:
        return meta["options"], meta.get("image_size")
    stored = read_config(folder / CONFIG)
    config = completed(stored, folder / CONFIG)
    if config.model.name != meta["model"]:
        raise UserError(
            f"{folder / CONFIG} is of the network {config.model.name}, but the checkpoints beside it are of "
            f"{meta['model']}; restore the file"
        )
    known = "image_size" in stored.get("data", {})
    return model_options(config), config.data.image_size if known else None
