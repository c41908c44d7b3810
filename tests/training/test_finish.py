"""How a run ends: what is in memory when the best step's state is read."""

import jax
import pytest

from ferjax.runs.checkpoints import Checkpoints
from ferjax.training import loop


@pytest.mark.slow
def test_the_last_state_is_freed_before_the_best_one_is_read(tiny_run, tiny_model, tmp_path, monkeypatch):
    train, restore, last, freed = loop.train, Checkpoints.restore, [], []

    def first_is_best(config, ready, begun, checkpoints, writer):
        last.append(train(config, ready, begun, checkpoints, writer))
        begun.progress.best_step = checkpoints.steps()[0]
        return last[0]

    def restore_after(self, step, like):
        freed.extend(leaf.is_deleted() for leaf in jax.tree.leaves(last[0]))
        return restore(self, step, like)

    monkeypatch.setattr(loop, "train", first_is_best)
    monkeypatch.setattr(Checkpoints, "restore", restore_after)
    config = tiny_run.config(train__max_steps=4, checkpoint__every_steps=2, eval__every_epochs=0.2)
    result = loop.train_and_evaluate(config, tmp_path)
    assert result["best_step"] < result["steps"] == 4
    assert len(freed) == len(jax.tree.leaves(last[0])) > 5
    assert all(freed)
