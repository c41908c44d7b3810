"""`import ferjax` alone: everything it documents is there, and nothing is imported before it is asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

import ferjax


def python(program: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_ferjax_imports_no_jax():
    assert python("import sys, ferjax; print({'jax', 'flax', 'numpy'} & {*sys.modules})") == "set()"


@pytest.mark.parametrize(
    "documented",
    [
        "models.create('resemotenet', num_classes=7).num_classes",
        "interop.torch_weights.import_state_dict",
        "layers.spatial_transformer.affine_sample",
        "data.load",
        "process.prepare()",
        "platform.process.prepare()",
        "errors.UserError",
    ],
)
def test_what_is_documented_is_there_after_import_ferjax(documented):
    assert python(f"import ferjax; print(ferjax.{documented})")


def test_every_room_is_a_public_name():
    folder = Path(ferjax.__file__).parent
    rooms = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert rooms <= {*ferjax.__all__} <= {*dir(ferjax)}


def test_an_unknown_name_is_told():
    with pytest.raises(AttributeError, match="module 'ferjax' has no attribute 'modles'"):
        _ = ferjax.modles
