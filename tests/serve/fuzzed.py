"""Damaged pictures, forms and headers for the service, drawn from a random.Random."""

import asking
from fuzz import mutations, seeds

# A picture or a form that is wrong is told to the client; nothing is the service's own failure.
ALLOWED = {200, 400, 413, 415, 422}
_SIZES = ((12, 12), (1, 1), (3, 700), (200, 160))
_HEADERS = (
    {"content-type": ""}, {"content-type": "multipart/form-data"}, {"content-type": "image/"},
    {"content-type": "multipart/form-data; boundary=\xff\xfe"}, {"content-type": "application/json"},
    {"content-type": f"multipart/form-data; boundary={asking.BOUNDARY}; charset=idna"},
    {"content-type": "multipart/form-data; boundary=" + "b" * 71}, {"content-type": "multipart/mixed"},
    {"content-type": 'multipart/form-data; boundary="'}, {"content-encoding": "gzip"},
    {"content-length": "-1"}, {"content-length": "\u00b2"}, {"content-length": "9" * 5000},
)  # fmt: skip
# Searching for faces takes longer than all the rest, and is tried less often.
_QUERIES = ("?cropped=true",) * 9 + (
    "",
    "?cropped=1&top_k=3",
    "?top_k=-1",
    "?cropped=x",
    "?%00=%ff&cropped=1",
)


def _picture(rng):
    kind, mode = rng.choice(seeds.PICTURES)
    content = seeds.encoded(kind, mode, rng.choice((0, 128)), rng.choice(_SIZES))
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        content = mutations.damaged(rng, content)
    return content


def request(rng):
    """The path, the headers and the parts of the body of a request."""
    if rng.random() < 0.5:
        headers, body = {"content-type": rng.choice(("image/png", "application/octet-stream"))}, _picture(rng)
    else:
        files = [_picture(rng) for _ in range(rng.choice((1, 1, 2, 3, 5)))]
        name = mutations.text(rng).encode("latin-1", "replace").decode("latin-1")
        field = rng.choice(("files", "files", "files", "file", "", "a\r\nb"))
        headers, body = asking.form(*files, field=field, name=name)
    for _ in range(rng.choice((0, 0, 1, 3))):
        body = mutations.damaged(rng, body)
    if rng.random() < 0.15:
        headers = {**headers, **rng.choice(_HEADERS)}
    cut = rng.randrange(len(body) + 1)
    return f"/v1/predict{rng.choice(_QUERIES)}", headers, [body[:cut], body[cut:]]
