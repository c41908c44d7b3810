"""The coordinator's store between the threads of a test."""

import threading

from ferjax.cluster.coordinator import UNAVAILABLE


class MemoryStore:
    """As `ferjax.cluster.coordinator.Store`."""

    def __init__(self):
        self._texts = {}
        self._changed = threading.Condition()

    def set(self, folder, name, text):
        with self._changed:
            self._texts[folder, name] = text
            self._changed.notify_all()

    def wait(self, folder, name, seconds):
        with self._changed:
            if not self._changed.wait_for(lambda: (folder, name) in self._texts, seconds):
                raise UNAVAILABLE("DEADLINE_EXCEEDED")
            return self._texts[folder, name]

    def read(self, folder):
        with self._changed:
            return {name: text for (at, name), text in self._texts.items() if at == folder}
