"""The scores of stored predictions that need more than the confusion matrix."""

from typing import Any

import numpy as np

from ferjax.runs.predictions import Predictions
from ferjax.scores import affect, calibration, conformal, ranking, selective, significance


def probability_scores(test: Predictions, validation: Predictions | None) -> dict[str, Any]:
    """Computes the scores that need probabilities, not only the confusion matrix; ready for JSON.

    Args:
        test: the predictions to score.
        validation: predictions of the same weights on validation, which the temperature is fitted to; None:
            no temperature.

    Returns:
        `roc_auc` and `average_precision` (one against the rest, means of the classes that have them),
        `per_class` (name, roc_auc, average_precision), `calibration_error`, `cross_entropy`, the same two
        with `temperature` as `…_scaled`, and `intervals`: 95 % over test images, by bootstrap; the
        `risk_coverage_area`, and `sets`, see `ferjax.scores.conformal.measure_sets`. NaN where a score is
        undefined, None without validation, or without validation of the same classes.
    """
    labels, logs, classes = test.labels, test.log_probabilities, len(test.label_names)
    auc, precision = ranking.roc_auc(labels, logs), ranking.average_precision(labels, logs)
    cells = labels * classes + test.predicted
    confusion = np.bincount(cells, minlength=classes**2).reshape(classes, classes)
    temperature = error = loss = sets = None
    if validation is not None:
        temperature = calibration.fit_temperature(validation.labels, validation.log_probabilities)
        scaled = calibration.with_temperature(logs, temperature)
        error, loss = calibration.reliability(labels, scaled).error, calibration.cross_entropy(labels, scaled)
        if validation.label_names == test.label_names:
            sets = conformal.measure_sets(validation.labels, validation.log_probabilities, labels, logs)
    return {
        "roc_auc": ranking.mean(auc),
        "average_precision": ranking.mean(precision),
        "per_class": [
            {"name": name, "roc_auc": float(a), "average_precision": float(p)}
            for name, a, p in zip(test.label_names, auc, precision, strict=True)
        ],
        "calibration_error": calibration.reliability(labels, logs).error,
        "cross_entropy": calibration.cross_entropy(labels, logs),
        "temperature": temperature,
        "calibration_error_scaled": error,
        "cross_entropy_scaled": loss,
        "risk_coverage_area": selective.area(selective.risk_by_coverage(labels, logs)),
        "sets": sets,
        "intervals": {name: list(ends) for name, ends in significance.image_intervals(confusion).items()},
    }


def affect_scores(test: Predictions) -> dict[str, Any] | None:
    """Computes the scores of valence and arousal, see `ferjax.scores.affect.measure`; ready for JSON.

    Returns:
        None where nothing predicts them, or no actual value is known.
    """
    if test.affect is None or test.actual_affect is None or np.isnan(test.actual_affect).all():
        return None
    return affect.measure(test.affect, test.actual_affect)
