"""The arithmetic of docs/scaling.md's plan: 100 million faces on 256 to 4,096 chips of Cloud TPU v5e.

    python -m benchmarks.scale_plan [--images 100000000] [--epochs 50] [--batch 4096] [--json FILE]

Nothing is run: measured numbers come from `benchmarks/results/`, the others from the sources that `SOURCES`
names. Time and price are for the share of the peak that PaLM reached; they grow as that share falls.
"""

import dataclasses
import json
import math
from pathlib import Path

from benchmarks import command_line, measure
from ferjax.cost_model.roofline import TPUS

RESULTS = Path(__file__).with_name("results")
DAY = 86_400.0

SOURCES = {
    "epochs, decoder": "FMAE: Ning et al., arXiv 2407.11243 (Face9M, 50 epochs, decoder 512 × 8)",
    "batch": "MAE: He et al., CVPR 2022, arXiv 2111.06377: 4,096, the largest that it reports",
    "failures": "Llama 3: Dubey et al., arXiv 2407.21783, section 3.3.4: 419 unexpected interruptions in 54 "
    "days of 16,384 H100",
    "share of the peak": "PaLM: Chowdhery et al., arXiv 2204.02311: 46.2 % on TPU v4",
    "interval": "Young, CACM 17(9), 1974; Daly, FGCS 22(3), 2006, equation 37",
    "chip": "ferjax.cost_model.roofline, from Cloud TPU's pages",
    "host": "Cloud TPU's page on v5e: 8 chips, 224 vCPUs, 2 network cards of 100 Gbit/s, 256 chips a slice",
    "price of a chip": "cloud.google.com/tpu/pricing: v5e on demand, us-west4, $1.20 an hour",
    "price of storage": "cloud.google.com/storage/pricing-examples: standard, $0.020 a GB and month",
    "bytes of a face": "one face (skimage.data.astronaut) as JPEG of quality 90, 224×224 pixels",
    "checkpoint": "benchmarks/results/saving.json",
    "decoding": "benchmarks/results/streaming.json: JPEG of 224×224, a thread",
    "start": "benchmarks/results/many_images.json, processor seconds of a start; startup.json, warm",
}
FACE_BYTES = 13_318
RECORD_BYTES = 218  # beside the image: the shards of many_images take 304 an image, whose PNG has 86
CHIP, SLICE, CHIPS_A_HOST, HOST_CORES, HOST_BITS = TPUS["v5e"], 256, 8, 224, 200e9
SHARE_OF_PEAK = 0.462
CHIP_DAYS_A_FAILURE = 54 * 16_384 / 419
CHIP_HOUR, GB_MONTH = 1.20, 0.020
SILENCE = 30.0  # seconds after which the others notice a lost process, `--silence_limit`


@dataclasses.dataclass(frozen=True)
class Network:
    """A masked auto-encoder: a vision transformer of patches of 16 and a decoder of 512 × 8.

    Attributes:
        name: of the encoder.
        width: of the encoder.
        depth: blocks of the encoder.
    """

    name: str
    width: int
    depth: int

    @property
    def parameters(self) -> float:
        """Weights of the blocks and patch embeddings: 12 d² a block."""
        patches = 768 * (self.width + 512) + self.width * 512
        return 12 * (self.depth * self.width**2 + 8 * 512**2) + patches

    @property
    def state_bytes(self) -> float:
        """Weights and both moments of AdamW in float32."""
        return 12 * self.parameters

    @property
    def flops(self) -> float:
        """Operations of a training step for an image of 224×224: three times the forward pass."""
        encoder = self.depth * block_flops(50, self.width) + 2 * 196 * 768 * self.width
        decoder = 8 * block_flops(197, 512) + 2 * 196 * 512 * 768
        return 3 * (encoder + decoder)


NETWORKS = (Network("S/16", 384, 12), Network("L/16", 1024, 24))


def block_flops(tokens: int, width: int) -> float:
    """Operations of a transformer block's forward pass: its matrix products, and attention."""
    return 24 * tokens * width**2 + 4 * tokens**2 * width


def interval(cost: float, mean_time: float) -> float:
    """Seconds of work between two checkpoints by Daly's higher-order estimate; Young's for small costs.

    Args:
        cost: seconds that a checkpoint takes from training.
        mean_time: seconds between failures.
    """
    if cost >= 2 * mean_time:
        return mean_time
    ratio = cost / (2 * mean_time)
    return math.sqrt(2 * cost * mean_time) * (1 + math.sqrt(ratio) / 3 + ratio / 9) - cost


def lost_share(cost: float, mean_time: float, restart: float, every: float) -> float:
    """Part of the time that checkpoints, repeated work and restarts take, to first order."""
    return cost / every + (every / 2 + restart) / mean_time


def exchange_seconds(size: float, chips: int) -> float:
    """Seconds of adding up an array of every chip: in a slice along a ring, between slices host by host.

    Args:
        size: of the array, bytes.
        chips: in slices of `SLICE`; each chip exchanges its part of the array with the other slices.
    """
    inside, slices = min(chips, SLICE), max(chips // SLICE, 1)
    between = 2 * (slices - 1) / slices * size * CHIPS_A_HOST / inside / (HOST_BITS / 8)
    return 2 * (inside - 1) / inside * size / CHIP.link_rate + between


@dataclasses.dataclass(frozen=True)
class Measured:
    """What this repository has measured.

    Attributes:
        lost_a_byte: seconds that training loses for each byte of a checkpoint, on CPU cores that train too.
        copied_a_byte: seconds that the loop waits for each byte: what is left where writing is hidden.
        written_a_byte: seconds until a byte is on the disk.
        decoded: JPEGs of 224×224 a second and thread.
        start: seconds from a process's start to its first step, the data apart.
        start_an_image: processor seconds of opening the data, for each image of the set.
        memory_an_image: bytes of the host's memory for each image of the set.
    """

    lost_a_byte: float
    copied_a_byte: float
    written_a_byte: float
    decoded: float
    start: float
    start_an_image: float
    memory_an_image: float


def measured() -> Measured:
    """Reads the results of the other benchmarks."""

    def rows(name: str) -> list[dict]:
        return json.loads((RESULTS / f"{name}.json").read_text())["rows"]

    saving = rows("saving")[0]
    size = saving["state_bytes"]
    threads = next(row for row in rows("streaming") if "threads" in row.get("run", ""))
    warm = next(row for row in rows("startup") if row["run"] == "warm")
    many = rows("many_images")
    count = next(row["images"] for row in many if row["what"] == "set")
    start = next(row for row in many if row["what"] == "start" and row["shuffle_parts"] == 1)
    return Measured(
        lost_a_byte=saving["lost_a_save"]["median"] / size,
        copied_a_byte=saving["starting_a_save"]["median"] / size,
        written_a_byte=saving["until_on_disk"]["median"] / size,
        decoded=threads["images"] / threads["seconds"]["median"] / 2,
        start=warm["seconds"]["median"],
        start_an_image=start["processor_seconds"] / count,
        memory_an_image=start["peak_GiB"] * 2**30 / count,
    )


def plan(
    network: Network, chips: int, images: float, epochs: float, batch: int, known: Measured
) -> dict[str, float | str]:
    """Computes a row of the plan.

    Args:
        network: what is trained.
        chips: of TPU v5e, 8 a host.
        images: of the set.
        epochs: passes over it.
        batch: global.
        known: see `measured`.
    """
    hosts = chips / CHIPS_A_HOST
    work = network.flops * batch / chips / (CHIP.flops * SHARE_OF_PEAK)
    exchange = exchange_seconds(4 * network.parameters, chips)
    step = work + exchange
    rate = batch / step
    days = images * epochs / rate / DAY
    mean_time = CHIP_DAYS_A_FAILURE * DAY / chips
    cost = known.lost_a_byte * network.state_bytes
    read = known.written_a_byte * network.state_bytes
    restart = SILENCE + known.start + known.start_an_image * images / hosts + read
    every = interval(cost, mean_time)
    lost = lost_share(cost, mean_time, restart, every)
    hidden = known.copied_a_byte * network.state_bytes
    return {
        "network": network.name,
        "chips": chips,
        "hosts": hosts,
        "images_a_chip": batch / chips,
        "step_ms": 1e3 * step,
        "exchange_share": exchange / step,
        "images_a_second": rate,
        "days": days / (1 - lost),
        "set_TB": images * (FACE_BYTES + RECORD_BYTES) / 1e12,
        "part_of_a_host_GB": images * (FACE_BYTES + RECORD_BYTES) / hosts / 1e9,
        "read_Gbit_a_host": 8 * rate / hosts * (FACE_BYTES + RECORD_BYTES) / 1e9,
        "card_Gbit_a_host": HOST_BITS / 1e9,
        "decoding_cores_a_host": rate / hosts / known.decoded,
        "cores_a_host": HOST_CORES,
        "index_GB_a_host": known.memory_an_image * images / hosts / 1e9,
        "state_GB": network.state_bytes / 1e9,
        "failures_a_day": DAY / mean_time,
        "checkpoint_seconds": cost,
        "checkpoint_seconds_hidden": hidden,
        "interval_minutes": every / 60,
        "interval_minutes_hidden": interval(hidden, mean_time) / 60,
        "restart_seconds": restart,
        "lost_share": lost,
        "price_of_chips": days / (1 - lost) * 24 * chips * CHIP_HOUR,
        "price_of_storage": images * (FACE_BYTES + RECORD_BYTES) / 1e9 * GB_MONTH * max(days / 30, 1),
    }


COLUMNS = {
    "network": "network", "chips": "chips", "images_a_chip": "images a chip", "step_ms": "step, ms",
    "exchange_share": "exchange", "images_a_second": "images/s", "days": "days",
    "read_Gbit_a_host": "Gbit/s a host", "decoding_cores_a_host": "decoding cores a host",
    "part_of_a_host_GB": "set a host, GB", "failures_a_day": "failures a day",
    "checkpoint_seconds": "a checkpoint, s", "interval_minutes": "every, min", "lost_share": "lost",
    "price_of_chips": "price, $",
}  # fmt: skip


def table(rows: list[dict]) -> str:
    """Formats rows of the plan as Markdown."""

    def shown(name: str, value: float | str) -> str:
        if isinstance(value, str):
            return value
        if name.endswith("_share"):
            return f"{value:.2%}" if value < 0.01 else f"{value:.0%}"
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

    lines = [f"| {' | '.join(COLUMNS.values())} |", "|---" * len(COLUMNS) + "|"]
    lines += [f"| {' | '.join(shown(name, row[name]) for name in COLUMNS)} |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    """Prints and records the plan."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--images", type=float, default=1e8)
    parser.add_argument("--epochs", type=float, default=50)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--json", default="benchmarks/results/scale_plan.json")
    args = parser.parse_args()
    known = measured()
    rows = [
        plan(network, chips, args.images, args.epochs, args.batch, known)
        for network in NETWORKS
        for chips in (256, 1024, 4096)
    ]
    print(table(rows))
    asked = {"images": args.images, "epochs": args.epochs, "batch": args.batch}
    facts = {"what": "inputs", **asked, "measured": dataclasses.asdict(known), "sources": SOURCES}
    measure.record("scale_plan", [facts, *rows], ("jax",), args.json)


if __name__ == "__main__":
    main()
