"""The plain CNN's names in PyTorch."""

from ferjax.interop.name_tables import CONV, LINEAR, Network, numbered

NETWORKS = {
    "fer_cnn": Network(
        rows=(*numbered("conv", CONV, 3), *numbered("fc", LINEAR, 2)),
        head="fc2",
        image_size=48,
        counterpart="ferjax.interop.torch_models.fer_cnn:FERCNN",
    ),
}
