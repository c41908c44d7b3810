"""What EAC, SCN and RUL give against wrong labels: the embedded toons, some training labels made wrong.

    python -m benchmarks.label_noise [--noise 0.2,0.3] [--seeds 5] [--epochs 30] [--methods eac,scn,rul]
                                     [--start faces] [--image_size 32] [--workdir DIR] [--json FILE]

The small residual network is fine-tuned on the 1,400 images of `toons/open_peeps`, plainly and with each
method, with the same seeds; a seed is also that of the wrong labels. Test labels are right. Methods are
compared with plain training seed by seed. As the papers' networks begin with weights of face recognition,
these begin with the network that ferjax ships (`--start ''`: from scratch). Random erasing, which EAC needs,
is on for all of them. Started again with the same --workdir it goes on.

`--noise 0.2 --seeds 2 --epochs 0.1 --image_size 16` tries it.
"""

import argparse
from pathlib import Path

from ml_collections import ConfigDict

from benchmarks import command_line, seed_comparison
from configs.small_resnet import get_config
from ferjax.experiments.runs import Runner

PLAIN = "plain"
# What each method sets beside the recipe; the values are the papers', SCN relabels in the second half.
METHODS = {PLAIN: {}, "eac": {"loss.eac": 5.0}, "scn": {"loss.scn": 1.0}, "rul": {"loss.rul": True}}


def configuration(method: str, noise: float, seed: int, args: argparse.Namespace) -> ConfigDict:
    """The recipe of one run."""
    config = get_config("toons/open_peeps")
    config.data.update(image_size=args.image_size, label_noise=noise, label_noise_seed=seed)
    config.augment.erase = 1.0
    config.train.update(epochs=args.epochs, seed=seed, log_every=100)
    config.loss.scn_relabel_epoch = max(args.epochs // 2, 1.0)
    config.update_from_flattened_dict({"init.from": args.start} | METHODS[method])
    return config


def measured(noise: float, args: argparse.Namespace, workdir: Path) -> list[dict]:
    """Trains every method with every seed; a row of the record for each method."""
    scores, runner = {}, Runner()
    for method in (PLAIN, *args.methods):
        scores[method] = [
            runner.run(
                configuration(method, noise, seed, args), workdir / f"{method}-noise{noise:g}-seed{seed}"
            )["test"]["accuracy"]
            for seed in range(args.seeds)
        ]
    rows = []
    for method, values in scores.items():
        row = {"noise": noise, "method": method, "accuracy": values}
        row |= {"epochs": args.epochs, "image_size": args.image_size, "start": args.start}
        rows.append(row | seed_comparison.gain(scores, PLAIN, method))
    return rows


def main() -> None:
    """Measures and prints a table."""
    parser = seed_comparison.parser(__doc__, "label_noise")
    parser.add_argument(
        "--noise",
        type=command_line.several(float),
        default=[0.2, 0.3],
        help="parts of the labels, separated by commas",
    )
    methods = list(METHODS)[1:]
    parser.add_argument("--methods", type=command_line.some_of(methods), default=methods)
    parser.add_argument("--epochs", type=float, default=30.0)
    parser.add_argument("--start", default="faces", help="weights to begin with")
    parser.add_argument("--image_size", type=int, default=32)
    args = parser.parse_args()
    with seed_comparison.prepared(args) as folder:
        rows = [row for noise in args.noise for row in measured(noise, args, folder)]
    seed_comparison.report("label_noise", rows, "method", PLAIN, args.json)


if __name__ == "__main__":
    main()
