"""`python -m ferjax.main --config=configs/resemotenet.py`: the verb `train`, see `ferjax.commands.train`."""

from ferjax.commands import framework
from ferjax.commands.train import main
from ferjax.platform import process

if __name__ == "__main__":
    process.prepare()
    framework.run(main)
