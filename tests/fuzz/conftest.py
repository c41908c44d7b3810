import sys
from pathlib import Path

# `copies`, the layouts of the published sets.
sys.path.append(str(Path(__file__).parents[1] / "data"))
