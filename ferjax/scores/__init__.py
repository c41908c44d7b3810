"""Scores of predictions: confusion matrices, ranking, calibration, significance."""
