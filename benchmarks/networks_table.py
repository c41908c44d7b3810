"""All networks side by side, in docs/networks_table.md: size, operations, speed, published and own accuracy.

    python -m benchmarks.networks_table [--page FILE]

Parameters and operations are counted now; nothing is trained or timed. The rest comes from the records in
`benchmarks/results`: speeds from `make bench`, accuracy from `benchmarks.recipes`, `.fer2013_recipes`,
`.peers` and `.build_pretrained`. What no record has stays empty.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from benchmarks import command_line, suite_page
from ferjax.files import write_atomic
from ferjax.registry import NETWORKS
from ferjax.report.tables import markdown

PAGE = Path("docs/networks_table.md")
RESULTS = Path("benchmarks/results")
CLASSES = 7
BATCH = 16  # of the training step whose speed stands in the table
# What papers claim, in per cent; A7 and A8 are AffectNet's seven and eight classes.
CLAIMS = {
    "attentional_cnn": "FER2013 70.02 (Minaee et al., 2021)",
    "dan": "RAF-DB 89.70, A7 65.69, A8 62.09 (Wen et al., 2023)",
    "ddamfn": "RAF-DB 91.35, A7 67.03, A8 64.25 (Zhang et al., 2023)",
    "efficientnet_b0": "A8 61.32 (HSEmotion, Savchenko, 2022)",
    "efficientnet_b2": "A8 63.1 (HSEmotion, Savchenko, 2022)",
    "mini_xception": "FER2013 66 (Arriaga et al., 2017)",
    "poster_v2": "RAF-DB 92.21, A7 67.49, A8 63.77 (Mao et al., 2025)",
    "resemotenet": "FER2013 79.79, RAF-DB 94.76, A7 72.93 (Roy et al., 2024)",
    "resmaskingnet": "FER2013 74.14 (Pham et al., 2021)",
    "sdl": "FER2013 74.92 (Khan et al., 2023)",
    "se_resnet18": "RAF-DB 65.67, from AffectNet 83.37, A7 56.54 (Huang et al., 2023)",
    "vgg19": "FER2013 70.2 (Srivastav & Khare, 2024)",
}
# Networks of other packages, whose weights were imported and scored → the name in peers.json.
IMPORTED = {
    "mini_xception": "mini-Xception",
    "big_xception": "big-Xception",
    "face_expression_net": "FaceExpressionNet",
}
HEAD = (
    "network", "image", "parameters", "operations", "training, batch 16", "inference, batch 16",
    "inference, one", "claimed, %", "toons, %", "FER2013, %",
)  # fmt: skip
TEXT = """\
# All networks side by side

Written by `python -m benchmarks.networks_table`. [Networks](networks.md) says of each what its paper states
and what ferjax chose.

- **image**: pixels of the paper's images, both sides; parameters, operations and speeds are for these.
- **parameters**: trained ones, with seven classes. **operations**: of one image forwards, in millions, as XLA
  counts them in the program before it is optimised, for a TPU: a multiplication and its addition are two,
  products with padding are none.
- **speeds**: milliseconds of a step or a pass on two cores of an AMD EPYC, float32, and behind them how many
  times as fast as PyTorch eager and as the fastest measured way of PyTorch (eager, channels last;
  torch.compile for ResEmoteNet), see [benchmarks](benchmarks.md). Empty: not measured.
- **claimed**: by the paper, not reproduced here; A7 and A8 are AffectNet's seven and eight classes.
- **toons**: test accuracy on the embedded cartoons by the recipe of `configs/`, one seed, how far to trust it
  in [networks](networks.md#trained-on-the-embedded-data), which also has ResEmoteNet's and SE-ResNet-18's.
- **FER2013**: PrivateTest, by the [honest protocol](results.md#fer2013); "imported" are another package's
  weights; with epochs, a recipe cut to that length.
"""


class Size(NamedTuple):
    """What a network costs, whatever it runs on.

    Attributes:
        parameters: trained ones, with seven classes.
        operations: of one image forwards.
    """

    parameters: int
    operations: float


def size(name: str) -> Size:
    """Counts what a network costs at its paper's image size; computes and allocates nothing."""
    entry = NETWORKS.find(name)
    assert entry.facts is not None
    network, side = entry.target(num_classes=CLASSES), entry.facts.usual
    image = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
    variables = jax.eval_shape(lambda key, x: network.init(key, x, train=False), jax.random.key(0), image)
    forwards = jax.jit(lambda variables, x: network.apply(variables, x, train=False))
    # On a CPU some convolutions are written with fewer products; elsewhere as they are defined.
    lowered = forwards.trace(variables, image).lower(lowering_platforms=("tpu",))
    parameters = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    return Size(parameters, float((lowered.cost_analysis() or {})["flops"]))


def speeds(history: Path) -> dict[tuple[str, str, int], str]:
    """Returns (what, network, batch) → milliseconds and ratios, of the newest figures of the first CPU."""
    found = {}
    for run in [run for run in suite_page.newest(history) if run["platform"] == "cpu"][:1]:
        for case in run["cases"]:
            usual = case["what"] in ("training", "inference") and case["precision"] == "float32"
            if not usual or "failed" in case or case["size"] != NETWORKS.find(case["model"]).facts.usual:
                continue
            medians = {side: times["median"] for side, times in case["sides"].items()}
            own = medians.pop(suite_page.OURS)
            text = f"{_milliseconds(own)} ms"
            if medians:
                text += f" ({medians[suite_page.EAGER] / own:.2f}, {min(medians.values()) / own:.2f})"
            found[case["what"], case["model"], case["batch"]] = text
    return found


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.0f}" if seconds >= 0.01 else f"{1000 * seconds:.1f}"


def _percent(part: float) -> str:
    return f"{100 * part:.1f}"


def _rows(results: Path, name: str) -> list[dict[str, Any]]:
    file = results / f"{name}.json"
    return json.loads(file.read_text())["rows"] if file.exists() else []


def on_toons(results: Path) -> dict[str, str]:
    """Returns network → test accuracy on the cartoons."""
    return {row["run"]: _percent(row["accuracy"]) for row in _rows(results, "recipes")}


def on_fer2013(results: Path) -> dict[str, str]:
    """Returns network → accuracy on PrivateTest, and of what."""
    found = {}
    for row in _rows(results, "fer2013_recipes"):
        found[row["run"]] = f"{_percent(row['accuracy'])}, {round(row['epochs'], 1):g} epochs"
    for row in _rows(results, "peers"):
        for name, network in IMPORTED.items():
            if row["network"] == network:
                found[name] = f"{_percent(row['test']['accuracy'])}, imported"
    if shipped := _rows(results, "pretrained"):
        about, *runs = shipped  # of several runs the best on validation was taken
        run = max(runs, key=lambda run: run["validation"]["accuracy"])
        found[about["network"]] = f"{_percent(run['test_accuracy'])}, shipped"
    return found


def page(results: Path) -> str:
    """Returns the page's text, from the records in a folder."""
    fast, toons, photographs = speeds(results / "suite.jsonl"), on_toons(results), on_fer2013(results)
    rows = []
    for name in NETWORKS.names():
        cost, usual = size(name), NETWORKS.find(name).facts.usual
        rows.append([
            f"`{name}`", f"{usual}²", f"{cost.parameters:,}", f"{cost.operations / 1e6:,.0f}",
            fast.get(("training", name, BATCH), ""), fast.get(("inference", name, BATCH), ""),
            fast.get(("inference", name, 1), ""), CLAIMS.get(name, ""), toons.get(name, ""),
            photographs.get(name, ""),
        ])  # fmt: skip
    return f"{TEXT}\n{markdown(HEAD, rows)}\n"


def main() -> None:
    """Writes the page."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--page", type=Path, default=PAGE)
    args = parser.parse_args()
    write_atomic(args.page, page(RESULTS).encode())
    print(f"written to {args.page}")


if __name__ == "__main__":
    main()
