"""The flags of commands that can work under Apache Beam."""

from collections.abc import Callable, Sequence

from absl import flags

from ferjax.errors import UserError

# What `beam_flags` defines belongs to the command that calls it.
flags.disclaim_key_flags()


def beam_flags(purpose: str) -> Callable[[], dict[str, str] | None]:
    """Defines --beam and --beam_option.

    Args:
        purpose: what Beam is good for there, the first words of the help of --beam.

    Returns:
        A function that gives the options of the pipeline, and None without these flags.
    """
    beam = flags.DEFINE_bool("beam", False, f"{purpose} under Apache Beam (pip install 'ferjax[beam]').")
    options = flags.DEFINE_multi_string(
        "beam_option",
        [],
        "NAME=VALUE, an option of the Beam pipeline, as runner=FlinkRunner or direct_num_workers=4; without "
        "a runner this machine's cores do the work. Implies --beam.",
    )

    def chosen() -> dict[str, str] | None:
        return named_values("beam_option", options.value) if beam.value or options.value else None

    return chosen


def named_values(flag: str, texts: Sequence[str]) -> dict[str, str]:
    """Reads the values of a flag that takes NAME=VALUE several times.

    Raises:
        UserError: one is something else.
    """
    for text in texts:
        if not text.partition("=")[1]:
            raise UserError(f"--{flag}={text}: it takes NAME=VALUE")
    return {name.strip(): value.strip() for name, _, value in (text.partition("=") for text in texts)}
