"""A copy of a set on the disk that a test may spoil and prepare."""

import pytest

from copies import LAYOUTS
from ferjax.commands.prepare import prepare
from ferjax.data import builders
from ferjax.data.records import Records, describe
from ferjax.errors import UserError


class Copy:
    """The files of a layout in `manual`; `name` is the set, `truth` what it should hold."""

    def __init__(self, layout, folder):
        self.name, write = LAYOUTS[layout]
        self.manual, self.data = folder / "manual", folder / "data"
        self.manual.mkdir()
        self.truth = write(self.manual)

    def prepare(self, **options):
        prepare(self.name, str(self.manual), str(self.data), **options)

    def refused(self, told, **options):
        """Preparing fails with this, and leaves no set."""
        with pytest.raises(UserError, match=told) as caught:
            self.prepare(**options)
        assert not builders.folder(self.name, self.data).exists()
        return str(caught.value)

    def info(self):
        return describe(self.name, builders.folder(self.name, self.data))

    def records(self, split="train"):
        records = Records(self.name, builders.folder(self.name, self.data), split)
        return [
            (records.label_names[record["label"]], record) for record in records.read(range(len(records)))
        ]

    def edit(self, file, old, new, count=1):
        path = self.manual / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, count))
