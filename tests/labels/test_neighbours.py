import numpy as np

from ferjax.labels import neighbours


def test_the_nearest_are_those_of_a_full_comparison(monkeypatch):
    monkeypatch.setattr(neighbours, "_CHUNK", 7)
    generator = np.random.default_rng(0)
    features = generator.normal(size=(40, 5)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    queries, candidates = np.array([3, 11]), np.arange(10, 40)
    found = neighbours.nearest(features, queries, candidates, 4)
    for row, query in enumerate(queries):
        others = candidates[candidates != query]
        likeness = features[others] @ features[query]
        order = np.argsort(-likeness)[:4]
        np.testing.assert_array_equal(found.examples[row], others[order])
        np.testing.assert_allclose(found.likeness[row], likeness[order], rtol=1e-5)
    assert neighbours.nearest(features, queries, candidates[:2], 4).examples.shape == (2, 2)
