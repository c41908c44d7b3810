"""Makes `ferjax/deploy/yunet.safetensors` from a checkout of libfacedetection.

    git clone https://github.com/ShiqiYu/libfacedetection
    python -m benchmarks.yunet_weights libfacedetection

Reads the numbers in `src/facedetectcnn-data.cpp`; of the five points of a face only the eyes are kept.
"""

import re
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from benchmarks import command_line
from ferjax.deploy.yunet import WEIGHTS

_ARRAY = re.compile(r"float (\w+)\[([\d*]+)\] = \{([^}]*)\}")


def arrays(text: str) -> dict[str, np.ndarray]:
    """Every array of the source file, float32, in the shape that it is declared with."""
    found = {}
    for name, shape, numbers in _ARRAY.findall(text):
        values = np.float32([number.rstrip("f") for number in numbers.split(",")])
        found[name] = values.reshape([int(size) for size in shape.split("*")])
    return found


def separable(source: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """Both convolutions of a unit; the one by channel is stored as nine rows of channels."""
    return {
        "pointwise": source[f"{name}_pw_weight"][:, :, 0, 0].T,
        "pointwise_bias": source[f"{name}_pw_bias"],
        "depthwise": source[f"{name}_dw_weight"].reshape(3, 3, -1),
        "depthwise_bias": source[f"{name}_dw_bias"],
    }


def head(source: dict[str, np.ndarray], level: int) -> dict[str, np.ndarray]:
    """The four heads of a level as one unit: class, object, box, and the first two points, the eyes."""
    parts = [
        separable(source, f"bbox_head__multi_level_{part}__{level}") for part in ("cls", "obj", "bbox", "kps")
    ]
    parts[-1] = {name: value[..., :4] for name, value in parts[-1].items()}
    return {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}


def converted(source: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights by ferjax's names, float16; the picture's channels become RGB."""
    units = {"stage0": separable(source, "backbone__model0_dp")}
    for stage in range(1, 6):
        units[f"stage{stage}a"] = separable(source, f"backbone__model{stage}_dp1")
        units[f"stage{stage}b"] = separable(source, f"backbone__model{stage}_dp2")
    for level in range(3):
        units[f"neck{level}"] = separable(source, f"neck__lateral_convs__{level}")
        units[f"head{level}"] = head(source, level)
    # 27 of the 32 inputs are a window of 3×3 pixels, blue first; the others are zeros.
    stem = source["backbone__model0_pw_weight"][:, :27, 0, 0].reshape(-1, 3, 3, 3)[..., ::-1]
    found = {"stem.kernel": stem.transpose(1, 2, 3, 0), "stem.bias": source["backbone__model0_pw_bias"]}
    found |= {f"{unit}.{name}": value for unit, parts in units.items() for name, value in parts.items()}
    return {name: np.ascontiguousarray(value, np.float16) for name, value in found.items()}


def main() -> None:
    """Writes the file."""
    parser = command_line.parser(__doc__)
    parser.add_argument("checkout", type=Path)
    source = (parser.parse_args().checkout / "src" / "facedetectcnn-data.cpp").read_text()
    save_file(converted(arrays(source)), WEIGHTS)
    print(f"{WEIGHTS}: {WEIGHTS.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
