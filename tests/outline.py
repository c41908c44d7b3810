"""What a page holds, for tests: its tags, attributes and text."""

from html.parser import HTMLParser

HOSTILE = "</title><script>alert('&')</script>"


class Outline(HTMLParser):
    """Collects tags and text, and checks that every tag closes."""

    VOID = frozenset({"img", "input", "link", "meta", "path", "rect", "use"})

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text, self._open = [], [], [], []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(path):
    return path.read_text(encoding="utf-8")
