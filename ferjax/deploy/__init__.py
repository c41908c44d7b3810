"""Using a trained network: faces in pictures and videos, predictions, exports."""
