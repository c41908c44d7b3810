"""Shared by all tests: absl flags count as parsed, as in a command."""

from absl import flags

flags.FLAGS.mark_as_parsed()
