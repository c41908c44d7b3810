"""Bad input through the real command: one line, no traceback, exit code 2."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
import tiny

from ferjax import __version__
from ferjax.__main__ import verbs

NAMES = [verb.name for verb in verbs()]
CONFIG = f"--config={tiny.CONFIG}"


@pytest.mark.slow
def test_ways_to_ask_for_help(shell):
    """The help of every verb is in `tests/test_docs.py`."""
    assert "--workdir: The run's folder" in shell("train", "-h").stdout
    for arguments in (["--help"], ["-h"], ["help"]):
        done = shell(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert all(f"  {verb} " in done.stdout for verb in NAMES)


def test_the_version(shell):
    done = shell("--version")
    assert (done.returncode, done.stdout) == (0, f"ferjax {__version__}\n")


def test_no_verb_and_unknown_verbs(shell):
    done = shell()
    assert done.returncode == 2
    assert "usage: python -m ferjax VERB" in done.stdout
    assert tiny.only_line(shell("trian")) == f"unknown verb 'trian'; the verbs are {', '.join(NAMES)}"


def test_a_flag_that_must_be_given(shell):
    assert tiny.only_line(shell("repeat")) == "--config must be given (--help lists the flags)"


def test_a_reader_that_has_had_enough_is_no_error():
    program = (
        "from ferjax.commands import framework\n"
        "framework.run(lambda argv: print('line\\n' * 10**6, flush=True), ['x'])"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "line\n"
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 128 + signal.SIGPIPE


def without_a_reader(*command):
    """Runs Python with a standard output that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, *command], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["compare", "--help"]])
def test_a_reader_that_leaves_before_the_first_word_is_no_error(arguments):
    assert without_a_reader("-m", "ferjax", *arguments) == (128 + signal.SIGPIPE, "")


def test_words_that_wait_in_a_buffer_until_the_end_may_find_no_reader():
    program = "from ferjax.commands import framework; framework.run(lambda argv: print('line'), ['x'])"
    assert without_a_reader("-c", program) == (128 + signal.SIGPIPE, "")


@pytest.mark.parametrize("config", ["nowhere.py", "."])
def test_the_second_config_of_repeat_is_found_as_the_first(config, shell):
    line = tiny.only_line(shell("repeat", "--config=resemotenet", f"--against={config}"))
    assert line.startswith("cannot read the config file: ")


BAD = {
    "no config": ([], "--config must be given"),
    "no such file": (["--config=nowhere.py"], "cannot read the config file: .*nowhere.py"),
    "no such recipe": (["--config=resemotent"], "no file resemotent and no recipe.*nearest.* resemotenet"),
    "a wrong field of a recipe": (["--config=resemotenet:fer2013,train.epoch=3"], r"no field 'train\.epoch'"),
    "a folder": (["--config=."], "cannot read the config file: .*Is a directory"),
    "an empty name": (["--config="], "cannot read the config file: .*empty"),
    "unknown field": ([CONFIG, "--config.train.epoch=1"],
                      r"the config has no field 'train\.epoch'; did you mean train\.epochs"),
    "unknown group": ([CONFIG, "--config.trian.epochs=1"],
                      r"no field 'trian\.epochs'; did you mean train\.epochs"),
    "unknown option of the network": ([CONFIG, "--config.model.drop=1"], r"did you mean model\.dropout"),
    "unknown field in the argument": ([f"{CONFIG}:fer2013,train.epoch=1"],
                                      r"no field 'train\.epoch'; did you mean train\.epochs"),
    "no setting in the argument": ([f"{CONFIG}:fer2013,abc"], "'abc' is not key=value"),
    "wrong type": ([CONFIG, "--config.train.epochs=abc"], r"--config\.train\.epochs=abc.*float"),
    "a fraction for a whole number": ([CONFIG, "--config.train.batch_size=1.5"], r"batch_size=1\.5.*int"),
    "no truth": ([CONFIG, "--config.augment.flip=maybe"], r"augment\.flip=maybe.*[Bb]oolean"),
    "a value for a group": ([CONFIG, "--config.train=5"], "--config.train=5"),
    "wrong type in the argument": ([f"{CONFIG}:train.epochs=x"], r"train\.epochs takes a float, not 'x'"),
    "no value": ([CONFIG, "--config.train.epochs"], "Missing value for flag"),
    "wrong choice": ([CONFIG, "--config.optimizer.name=sdg"], r"did you mean sgd\?"),
    "out of range": ([CONFIG, "--config.train.batch_size=0"], r"batch_size is 0; it must be at least 1"),
    "unknown network": ([CONFIG, "--config.model.name=tinny"], "unknown model 'tinny'; the nearest are tiny"),
    "unknown flag": ([CONFIG, "--confg=x"], "Unknown command line flag 'confg'"),
    "an argument too many": ([CONFIG, "extra"], "unexpected argument 'extra'"),
    "half of the process flags": ([CONFIG, "--processes=2"], "need all of --coordinator, --processes and"),
    "no number of processes": ([CONFIG, "--processes=two"], "--processes=two"),
    "a mesh of more devices": ([CONFIG, "--config.mesh.data=3"], "needs 3 devices, but there are 1"),
    "unknown data set": ([CONFIG, "--config.data.name=fer2014"], "no data set 'fer2014'; the nearest names"),
    "no data": ([CONFIG, "--config.data.dir=none"],
                r"fer2013 is not built in none.*fer2013\.csv.*python -m ferjax prepare fer2013 --manual_dir"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", BAD)
def test_bad_input(case, shell, tmp_path):
    arguments, words = BAD[case]
    workdir = tmp_path / "run"
    line = tiny.only_line(shell("train", f"--workdir={workdir}", "--noreport", *arguments))
    assert re.search(words, line), line
    assert not (workdir / "metrics.jsonl").exists()


CONFIG_FILES = {
    "syntax": ("def get_config(:", "config cannot be used: SyntaxError"),
    "no get_config": ("x = 1", "has no attribute 'get_config'"),
    "a dict": ("def get_config(): return {}", "a config is a ConfigDict, not a dict"),
    "half a config": ("from ml_collections import ConfigDict\n"
                      "def get_config(): return ConfigDict({'model': {'name': 'tiny'}})",
                      "the config lacks the field affect"),
    "a missing module": ("import nosuchmodule", "No module named 'nosuchmodule'"),
    "an error": ("def get_config(): return 1 / 0", "ZeroDivisionError: division by zero"),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFIG_FILES)
def test_bad_config_files(case, shell, tmp_path):
    content, words = CONFIG_FILES[case]
    (tmp_path / "bad.py").write_text(content)
    assert words in tiny.only_line(shell("train", f"--config={tmp_path}/bad.py", f"--workdir={tmp_path}/run"))


def test_an_argument_for_a_config_file_that_takes_none(shell, tmp_path):
    (tmp_path / "plain.py").write_text("def get_config(): return None")
    line = tiny.only_line(shell("train", f"--config={tmp_path}/plain.py:fer2013"))
    assert "takes 0 positional arguments but 1 was given" in line


@pytest.mark.slow
def test_a_workdir_of_another_config(shell, tiny_run, never_killed):
    done = shell(*tiny.train_arguments(tiny_run.data, never_killed, "--config.train.batch_size=8"))
    assert tiny.only_line(done) == (
        f"{never_killed} belongs to another config (train.batch_size was 16, is 8); take another --workdir, "
        "or remove that folder"
    )
    free = ("--config.train.log_every=7", "--config.checkpoint.keep=9", "--config.data.cache=stream")
    assert shell(*tiny.train_arguments(tiny_run.data, never_killed, *free)).returncode == 0


def test_a_workdir_that_another_run_writes(shell, tiny_run, tmp_path):
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        line = tiny.only_line(shell(*tiny.train_arguments(tiny_run.data, tmp_path)))
    assert line == f"another run is writing {tmp_path}; wait for it or take another --workdir"
    assert {path.name for path in tmp_path.iterdir()} == {".lock"}


@pytest.mark.slow
def test_a_workdir_with_the_checkpoints_of_another_network(shell, tiny_run, never_killed, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(never_killed, workdir)
    (workdir / "result.json").unlink()
    config = json.loads((workdir / "config.json").read_text())
    config["model"] = {"name": "resemotenet"}
    (workdir / "config.json").write_text(json.dumps(config))
    (tmp_path / "other.py").write_text(
        f"import sys; sys.path.append({str(tiny.HERE)!r})\n"
        "import tiny_config\n"
        "def get_config():\n"
        "    config = tiny_config.get_config()\n"
        "    del config.model.norm, config.model.dropout\n"
        "    config.model.name = 'resemotenet'\n"
        "    return config\n"
    )
    arguments = tiny.train_arguments(tiny_run.data, workdir)
    arguments[1] = f"--config={tmp_path / 'other.py'}"
    line = tiny.only_line(shell(*arguments))
    assert "is of the network tiny, not resemotenet; use another --workdir" in line
    assert sorted(path.name for path in (workdir / "checkpoints").iterdir()) == sorted(
        path.name for path in (never_killed / "checkpoints").iterdir()
    )


@pytest.mark.slow
def test_a_run_that_diverges(shell, tiny_run, tmp_path):
    done = shell(*tiny.train_arguments(tiny_run.data, tmp_path, "--config.schedule.learning_rate=1e30"))
    line = tiny.only_line(done)
    assert line.startswith("the loss is nan at step ")
    assert "the run has diverged; lower schedule.learning_rate or set optimizer.clip_norm" in line


def test_a_file_where_the_workdir_should_be(shell, tiny_run, tmp_path):
    (tmp_path / "file").write_text("")
    line = tiny.only_line(shell(*tiny.train_arguments(tiny_run.data, tmp_path / "file")))
    assert line.startswith(f"cannot write the workdir {tmp_path / 'file'}: ")


ENDS = {
    "None": ("return None", 0, ""),
    "a code": ("return 143", 143, ""),
    "bad input": ("raise UserError('a\\n  b')", 2, "ferjax: error: a b\n"),
    "^C": ("raise KeyboardInterrupt", 130, "ferjax: interrupted\n"),
    "no room": ("raise OSError(errno.ENOSPC, 'No space left', 'x')", 2,
                "ferjax: error: cannot write x: No space left; make room\n"),
    "no room, told before": ("""
    try:
        raise UserError('a')
    except UserError:
        open('/dev/full', 'w', 1).write('x\\n')""", 2, "ferjax: error: a\n"),
    "a place that cannot be used": ("open('/proc/none', 'w')", 2,
                "ferjax: error: cannot use /proc/none: No such file or directory; name another place\n"),
    "a bug": ("raise OSError(errno.ENOENT, 'No such file')", 1, "Traceback"),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDS)
def test_how_a_command_ends(case):
    body, code, told = ENDS[case]
    program = (
        "import errno\nfrom ferjax.commands import framework\nfrom ferjax.errors import UserError\n"
        f"def main(_):\n    {body}\nframework.run(main)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert done.stderr == told or (told == "Traceback" and told in done.stderr)


MESSAGES = """
import logging
from ferjax.commands import framework

def main(_):
    for logger in (logging.getLogger("ferjax.data.loading"), logging.getLogger("ferjax")):
        logger.debug("a detail")
        logger.info("%d images are read", 3)
        logger.warning("two\\n  lines")
    print("the answer")

framework.run(main)
"""


def test_messages_go_to_stderr_and_the_answer_to_stdout():
    done = subprocess.run([sys.executable, "-c", MESSAGES], capture_output=True, text=True, check=True)
    assert done.stdout == "the answer\n"
    assert done.stderr == "3 images are read\nferjax: warning: two lines\n" * 2


@pytest.mark.parametrize("platforms", ["cuda", "quantum"])
def test_devices_that_are_not_there_are_named(platforms):
    program = (
        "import jax\nfrom ferjax.commands import framework\nframework.run(lambda _: print(jax.numpy.ones(2)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "JAX_PLATFORMS": platforms},
        capture_output=True,
        text=True,
        check=False,
    )
    line = tiny.only_line(done)
    assert line.startswith(f"JAX_PLATFORMS={platforms}: JAX finds no such device here")
    assert line.endswith("unset it, or set JAX_PLATFORMS=cpu")


@pytest.mark.parametrize("module", ["ferjax", "ferjax.main"])
def test_both_ways_to_start_it(module):
    """As a process of its own, without a fork of a prepared one."""
    arguments = ["train"] if module == "ferjax" else []
    for flags, code, stream in (
        (["--help"], 0, "stdout"),
        (["--config=nowhere.py"], 2, "stderr"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments, *flags], capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
        if stream == "stderr":
            assert "nowhere.py" in tiny.only_line(done)
        else:
            assert "--config" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lr-find", CONFIG, "--low=nan"], "flag --low=nan: it takes a number of at most 1e+09"),
        (["train", CONFIG, "--join_limit=inf"], "flag --join_limit=inf: it takes a number of at most 1e+09"),
        (["augment-sheet", CONFIG, f"--seed={10**30}"], "flag --seed: it takes a whole number of at most"),
        (["repeat", CONFIG, "--n=1000000"], "flag --n=1000000: 1000000 is not integer <= 1000"),
        (
            ["aot", CONFIG, "--topology=here", f"--num_classes={10**9}"],
            "not an integer in the range [2, 65536]",
        ),
    ],
)
def test_extreme_numbers_of_flags(shell, arguments, words):
    assert words in tiny.only_line(shell(*arguments))


def test_a_device_that_is_not_there(tiny_run, tmp_path):
    """Read when JAX is imported, so in a process of its own."""
    with tiny_run.start(tmp_path / "run", JAX_PLATFORMS="none") as command:
        assert command.finish() == 2
    assert "Traceback" not in command.text
    assert command.lines[-1].startswith("ferjax: error: JAX_PLATFORMS=none: JAX finds no such device here (")
    assert not (tmp_path / "run").exists()
