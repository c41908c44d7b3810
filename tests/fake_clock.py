"""Time for tests of what waits: nobody sleeps."""


class Clock:
    """Seconds that go forward only when somebody waits or works."""

    def __init__(self, on_sleep=lambda number: None):
        """Starts at 0.

        Args:
            on_sleep: is called with how often anybody has slept by now: what happens meanwhile.
        """
        self.now, self.naps, self._on_sleep = 0.0, [], on_sleep

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.naps.append(seconds)
        self._on_sleep(len(self.naps))
