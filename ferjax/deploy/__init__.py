"""Uses a trained network: finds faces in pictures and videos, predicts, exports."""
