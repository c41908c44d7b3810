"""DDAMFN: the embedded toons by default, Zhang et al. (2023) with `:rafdb` or `:affectnet7`.

    python -m ferjax.main --config=configs/ddamfn.py

A quarter of its residual blocks from scratch at 64×64 pixels. Expected: 91.9 % test accuracy (seed 0; 95 %
interval 90.3 to 93.2) in 29 minutes on one core of an AMD EPYC beside much other work, jax 0.10.2, measured
on 2026-12-01. All blocks for six epochs gave 76.2 % in as long.

    python -m ferjax torch-import DDAMFN.pth --model=ddamfn --head=new --image_size=112 --out=DDAMFN
    python -m ferjax.main --config=configs/ddamfn.py:rafdb --config.init.from=DDAMFN

The paper's recipe; it claims 91.35 % on RAF-DB, 67.03 % on AffectNet with seven and 64.25 % with eight
classes. The authors' later one, DDAMFN++, is `:rafdb,recipe=plus`: two gradients for each step
(`optimizer.sam_rho`), Adam and stronger augmentation; they claim 92.34 %, 67.36 % and 65.04 %. They begin
with weights of face recognition. ferjax has run neither: the images are licensed, and nothing was measured
on a GPU.
"""

from functools import partial

from ml_collections import ConfigDict

from ferjax.recipes import attention_heads, ddamfn_plus
from ferjax.recipes.build import build, toons


def get_config(argument: str = "") -> ConfigDict:
    return build(
        argument,
        model={"name": "ddamfn", "heads": 2, "diversity": 0.1},
        toons=partial(
            toons, epochs=10.0, learning_rate=2e-3, optimizer="adamw", model={"depth_multiplier": 0.25}
        ),
        paper=partial(attention_heads.paper, image_size=112, rotate=1.0, translate=0.015, learning_rate=0.01),
        others={"plus": ddamfn_plus.plus},
    )
