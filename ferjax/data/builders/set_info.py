"""What TFDS keeps of a set."""

import tensorflow_datasets as tfds


class SetInfo(tfds.core.DatasetInfo):
    """TFDS's own, but for sets that TFDS does not publish."""

    def initialize_from_bucket(self) -> None:
        """Asks nobody: TFDS would look for a published set, and leave a folder in the temporary one."""
