"""The launch files, as far as a machine without the engines can tell: syntax, dry runs, and fake engines."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import tiny
import yaml

ROOT = Path(__file__).parents[1]
LAUNCH = ROOT / "launch"
SCRIPTS = sorted([*LAUNCH.glob("*.sh"), *LAUNCH.glob("*.bash")])
FLAGS = ["--config=configs/a.py", "--workdir=runs/with space"]


def script(name, *arguments, **environment):
    return subprocess.run(
        ["bash", str(LAUNCH / name), *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=tiny.LONGEST,
    )  # fmt: skip


@pytest.fixture
def fake(tmp_path):
    """Puts a command on the path that stores its arguments, a line each, and exits with a code."""

    def make(name, code=0):
        told = tmp_path / f"{name}.txt"
        command = tmp_path / name
        command.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>"{told}"\nexit {code}\n')
        command.chmod(0o755)
        return told

    make.path = f"{tmp_path}:{os.environ['PATH']}"
    return make


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_shell_and_shellcheck_finds_nothing(path):
    assert os.access(path, os.X_OK) == (path.suffix == ".sh")  # what others read is not started
    assert subprocess.run(["bash", "-n", str(path)], capture_output=True).stderr == b""
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([str(shellcheck), str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_local_starts_a_process_for_each_number():
    done = script("local.sh", "-n", "2", "-g", "-d", *FLAGS, PORT="1234", FERJAX="ferjax")
    assert done.stdout.splitlines() == [
        f"CUDA_VISIBLE_DEVICES={i} ferjax train --coordinator=127.0.0.1:1234 --processes=2 --process={i} "
        "--config=configs/a.py --workdir=runs/with\\ space "
        for i in (0, 1)
    ]


@pytest.mark.parametrize("count", ["", "0", "two", "-1"])
def test_local_wants_a_number(count):
    done = script("local.sh", "-n", count, *FLAGS)
    assert done.returncode == 2
    assert "-n takes a number of processes" in done.stderr


@pytest.mark.parametrize("flags", [["-n"], ["-N"], ["-n", "2", "-r"]])
def test_local_tells_of_a_flag_without_its_value(flags):
    done = script("local.sh", *flags)
    assert done.returncode == 2
    assert "launch/local.sh: -n takes a number of processes, -N a command that prints it" in done.stderr


def test_local_gives_back_the_exit_code_and_starts_lost_processes_again(fake, tmp_path):
    told = fake("lost", 75)
    done = script("local.sh", "-n", "2", "-r", "2", *FLAGS, FERJAX=str(tmp_path / "lost"))
    assert done.returncode == 75
    assert "a process was lost (exit code 75), restart 2 of 2" in done.stderr
    assert told.read_text().splitlines().count("--workdir=runs/with space") == 2 * 3
    fake("bad", 2)
    done = script("local.sh", "-n", "1", "-r", "2", *FLAGS, FERJAX=str(tmp_path / "bad"))
    assert (done.returncode, done.stderr) == (2, "")


def test_local_passes_signals_on(tmp_path):
    command = tmp_path / "waits"
    command.write_text(
        '#!/bin/bash\ntrap "echo saved; exit 143" TERM\necho ready\nwhile :; do read -rt 1 <> <(:); done\n'
    )
    command.chmod(0o755)
    started = subprocess.Popen(
        ["bash", str(LAUNCH / "local.sh"), "-n", "2", *FLAGS],
        env={**os.environ, "FERJAX": str(command)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with started:
        assert [started.stdout.readline() for _ in range(2)] == ["ready\n"] * 2
        started.send_signal(signal.SIGTERM)
        assert started.stdout.read() == "saved\n" * 2
    assert started.returncode == 143


# Where the tests run in the background ^C is ignored, and bash cannot trap what it finds ignored.
HEEDS_INTERRUPTS = (
    sys.executable, "-c",
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "os.execvp(sys.argv[1], sys.argv[1:])",
)  # fmt: skip


@pytest.mark.parametrize("code", [134, 75, 143, 0])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_local_starts_nothing_again_after_a_signal(tmp_path, code, number):
    """A signal to the whole group, as a terminal sends it, is no crash, however the processes take it."""
    command = tmp_path / "waits"
    command.write_text(
        f"#!{sys.executable}\nimport os, signal, sys\n"
        "asked = {signal.SIGTERM, signal.SIGINT}\nsignal.pthread_sigmask(signal.SIG_BLOCK, asked)\n"
        f"os.write(1, b'ready\\n')\nsignal.sigwait(asked)\nsys.exit({code})\n"
    )
    command.chmod(0o755)
    started = subprocess.Popen(
        [*HEEDS_INTERRUPTS, "bash", str(LAUNCH / "local.sh"), "-n", "2", "-r", "5", *FLAGS],
        start_new_session=True,
        env={**os.environ, "FERJAX": str(command)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert [started.stdout.readline() for _ in range(2)] == ["ready\n"] * 2
        os.killpg(started.pid, number)
        out, err = started.communicate()
        assert out == ""
        assert "restart" not in err
        assert started.returncode in {code or 143, 143}  # 143 where bash lost the process's own to the signal
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.communicate()


def test_slurm_runs_one_process_a_task_and_is_queued_again(fake):
    dry = script("slurm.sh", *FLAGS, DRY_RUN="1", FERJAX="ferjax")
    assert dry.stdout.startswith("srun ")
    assert "ferjax train --distributed --config=configs/a.py --workdir=runs/with\\ space" in dry.stdout
    for code, queued in ((0, False), (2, False), (143, True), (75, True)):
        srun, scontrol = fake("srun", code), fake("scontrol")
        srun.unlink(missing_ok=True)
        scontrol.unlink(missing_ok=True)
        done = script("slurm.sh", *FLAGS, PATH=fake.path, SLURM_JOB_ID="77")
        assert done.returncode == code
        assert "--workdir=runs/with space" in srun.read_text().splitlines()
        assert scontrol.exists() == queued
        assert not queued or scontrol.read_text().split() == ["requeue", "77"]
    again = script("slurm.sh", *FLAGS, PATH=fake.path, SLURM_JOB_ID="77", SLURM_RESTART_COUNT="20")
    assert "queued again" not in again.stdout


@pytest.mark.parametrize("verb", ["tune", "repeat", "ablate", "crossdb", "protocol"])
def test_the_slurm_array_starts_workers_of_one_queue(fake, verb):
    dry = script("slurm_array.sh", verb, *FLAGS, DRY_RUN="1", FERJAX="ferjax")
    queue = "" if verb == "tune" else " --queue"  # a search is always shared, and has no such flag
    words = f" ferjax {verb} --config=configs/a.py --workdir=runs/with\\ space{queue} \n"
    assert dry.stdout.startswith("srun ")
    assert dry.stdout.endswith(words)
    srun, scontrol = fake("srun", 143), fake("scontrol")
    done = script("slurm_array.sh", verb, *FLAGS, PATH=fake.path, SLURM_JOB_ID="78")
    assert done.returncode == 143
    assert verb in srun.read_text().splitlines()
    assert scontrol.read_text().split() == ["requeue", "78"]


def test_the_slurm_array_queues_bad_input_and_too_many_restarts_no_more(fake):
    scontrol = fake("scontrol")
    for code, restarts in ((0, "0"), (2, "0"), (137, "20")):
        fake("srun", code)
        environment = {"PATH": fake.path, "SLURM_JOB_ID": "78", "SLURM_RESTART_COUNT": restarts}
        assert script("slurm_array.sh", "tune", *FLAGS, **environment).returncode == code
        assert not scontrol.exists()
    for wrong in ([], ["train"], FLAGS):
        done = script("slurm_array.sh", *wrong, PATH=fake.path)
        assert done.returncode == 2
        assert "name a verb first" in done.stderr


@pytest.mark.parametrize("name", ["slurm.sh", "slurm_array.sh"])
def test_slurm_runs_a_copy_that_lies_elsewhere(name, tmp_path):
    copy = tmp_path / "spooled"
    copy.write_text((LAUNCH / name).read_text())

    def start(folder):
        return subprocess.run(
            ["bash", str(copy), "tune", *FLAGS],
            env={**os.environ, "SLURM_SUBMIT_DIR": str(folder), "DRY_RUN": "1"},
            capture_output=True,
            text=True,
        )

    done = start(ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{ROOT}/.venv/bin/python -m ferjax " in done.stdout
    done = start(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"launch/{name}: submit from the folder of ferjax" in done.stderr


def test_the_slurm_array_gives_each_worker_a_gpu_of_its_own():
    text = (LAUNCH / "slurm_array.sh").read_text()
    options = dict(re.findall(r"^#SBATCH --([\w-]+)(?:=(.*))?$", text, re.MULTILINE))
    assert (options["ntasks"], options["gres"]) == ("1", "gpu:1")
    assert "array" in options
    assert options["signal"].startswith("TERM@")
    assert "requeue" in options


def test_slurm_asks_for_what_jax_needs():
    options = dict(
        re.findall(r"^#SBATCH --([\w-]+)(?:=(.*))?$", (LAUNCH / "slurm.sh").read_text(), re.MULTILINE)
    )
    assert options["gres"] == f"gpu:{options['ntasks-per-node']}"
    assert not {"gpus-per-task", "gpus-per-node"} & options.keys()
    assert options["signal"].startswith("TERM@")
    assert "requeue" in options


def test_tpu_vm_creates_runs_and_deletes(fake):
    told = fake("gcloud")
    environment = {"DRY_RUN": "1", "REPOSITORY": "https://example.org/ferjax", "SPOT": "1"}
    created = script("tpu_vm.sh", "create", **environment).stdout
    assert "queued-resources create ferjax" in created
    assert "--spot" in created
    assert "ACCELERATOR=tpu" in created
    done = script("tpu_vm.sh", "run", *FLAGS, PATH=fake.path)
    assert done.returncode == 0, done.stderr
    assert (
        told.read_text()
        .splitlines()[-1]
        .endswith("python -m ferjax train --distributed --config=configs/a.py --workdir=runs/with\\ space")
    )
    assert "--worker=all" in told.read_text()
    assert "delete ferjax" in script("tpu_vm.sh", "delete", DRY_RUN="1").stdout
    assert script("tpu_vm.sh", "create").returncode == 2  # no REPOSITORY
    assert script("tpu_vm.sh").returncode == 2


def test_the_jobset_is_whole():
    documents = list(yaml.safe_load_all((LAUNCH / "jobset.yaml").read_text()))
    kinds = {document["kind"]: document for document in documents}
    assert [document["kind"] for document in documents] == ["ServiceAccount", "Role", "RoleBinding", "JobSet"]
    allowed = {(group, kind): set(rule["verbs"]) for rule in kinds["Role"]["rules"]
               for group in rule["apiGroups"] for kind in rule["resources"]}  # fmt: skip
    assert {"get", "list"} <= allowed["", "pods"]
    assert {"get", "list"} <= allowed["batch", "jobs"]
    assert kinds["RoleBinding"]["roleRef"]["name"] == kinds["Role"]["metadata"]["name"]
    account = kinds["ServiceAccount"]["metadata"]["name"]
    assert kinds["RoleBinding"]["subjects"] == [{"kind": "ServiceAccount", "name": account}]

    assert kinds["JobSet"]["apiVersion"] == "jobset.x-k8s.io/v1alpha2"
    assert kinds["JobSet"]["spec"]["network"]["enableDNSHostnames"]  # JAX builds the first pod's name from it
    (workers,) = kinds["JobSet"]["spec"]["replicatedJobs"]
    job = workers["template"]["spec"]
    assert job["completionMode"] == "Indexed"
    assert job["parallelism"] == job["completions"]
    pod = job["template"]["spec"]
    assert pod["serviceAccountName"] == account
    assert pod["restartPolicy"] == "Never"  # podFailurePolicy needs it
    (container,) = pod["containers"]
    assert job["podFailurePolicy"]["rules"][0]["onExitCodes"]["containerName"] == container["name"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pod["volumes"]
    }
    assert "--distributed" in container["args"]
    config = next(a.partition("=")[2] for a in container["args"] if a.startswith("--config="))
    assert (ROOT / config).exists()


def test_skypilot_starts_a_process_on_each_node(fake):
    told = fake("ferjax")
    task = yaml.safe_load((LAUNCH / "skypilot.yaml").read_text())
    # The fields of a task, as SkyPilot's documentation has them.
    assert task.keys() == {"name", "num_nodes", "resources", "workdir", "envs", "setup", "run"}
    assert task["resources"]["job_recovery"]["recover_on_exit_codes"] == [75, 134]
    assert "ACCELERATOR=cuda" in task["setup"]
    nodes = {"SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2\n", "SKYPILOT_NUM_NODES": str(task["num_nodes"])}
    for rank in range(task["num_nodes"]):
        done = subprocess.run(
            ["bash", "-c", task["run"]],
            env={
                **os.environ, **nodes, "PATH": fake.path, "FERJAX": "ferjax", "ARGS": " ".join(FLAGS[:1]),
                "SKYPILOT_NODE_RANK": str(rank),
            },
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert told.read_text().splitlines()[-5:] == [
            "train", "--coordinator=10.0.0.1:8476", "--processes=2", f"--process={rank}", FLAGS[0],
        ]  # fmt: skip


def steps_of(name):
    """The steps of a Dockerfile, and that each is one that Docker knows."""
    lines = (LAUNCH / name).read_text().replace("\\\n", "").splitlines()
    steps = [line.split() for line in lines if line and not line.startswith("#")]
    known = {"FROM", "ARG", "WORKDIR", "COPY", "RUN", "USER", "ENV", "EXPOSE", "ENTRYPOINT", "CMD"}
    assert {step[0] for step in steps} <= known
    return steps


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("Dockerfile", 'ENTRYPOINT ["python", "-m", "ferjax"]'),
        ("serve.Dockerfile", 'ENTRYPOINT ["python", "-m", "ferjax", "serve", "--host=0.0.0.0"]'),
    ],
)
def test_a_dockerfile_copies_what_exists_and_starts_ferjax(name, entry):
    steps = steps_of(name)
    assert steps[0][0] == "FROM"
    python = steps[0][1].removeprefix("python:").removesuffix("-slim")
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    assert f"Programming Language :: Python :: {python}" in known
    copied = [source for step in steps if step[0] == "COPY" for source in step[1:-1]]
    assert copied
    assert all((ROOT / source).exists() for source in copied)
    assert any(step[0] == "USER" for step in steps)
    assert entry.split() in steps
    constraints = {step[at + 1] for step in steps for at, word in enumerate(step) if word == "-c"}
    texts = [(ROOT / name).read_text() for name in constraints if (ROOT / name).exists()]
    assert not any("[" in text for text in texts)  # pip takes no constraint with an extra


def test_the_manifest_of_the_service_is_whole():
    documents = list(yaml.safe_load_all((LAUNCH / "serve.yaml").read_text()))
    kinds = {document["kind"]: document for document in documents}
    assert list(kinds) == ["Deployment", "Service", "PodDisruptionBudget"]
    deployment = kinds["Deployment"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"] == labels == kinds["Service"]["spec"]["selector"]
    assert kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert kinds["PodDisruptionBudget"]["spec"]["minAvailable"] < deployment["replicas"]
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]
    (port,) = container["ports"]
    assert kinds["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]
    assert ["EXPOSE", str(port["containerPort"])] in steps_of("serve.Dockerfile")
    for probe, path in (("startup", "/readyz"), ("readiness", "/readyz"), ("liveness", "/healthz")):
        assert container[f"{probe}Probe"]["httpGet"] == {"path": path, "port": port["name"]}
    for kind in ("limits", "requests"):
        assert {"cpu", "memory"} <= container["resources"][kind].keys()
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert ["USER", str(pod["securityContext"]["runAsUser"])] in steps_of("serve.Dockerfile")
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts.keys() == {volume["name"] for volume in pod["volumes"]}
    given = dict(argument.removeprefix("--").split("=") for argument in container["args"])
    assert given["api_key_file"].startswith(mounts["keys"])
    needed = container["lifecycle"]["preStop"]["sleep"]["seconds"] + int(given["drain_timeout"])
    assert pod["terminationGracePeriodSeconds"] > needed


def test_the_arguments_of_the_manifest_are_flags_of_serve(shell):
    (deployment, *_) = yaml.safe_load_all((LAUNCH / "serve.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    done = shell("serve", *container["args"])
    assert "--api_key_file=/keys/keys cannot be read" in tiny.only_line(done)


@pytest.mark.slow
def test_local_trains(tiny_run, tmp_path):
    workdir = tmp_path / "run"
    arguments = tiny.train_arguments(tiny_run.data, workdir, "--config.train.max_steps=3")[1:]
    run = f"{sys.executable} {tiny.HERE / 'run_tiny.py'}"
    assert shutil.which("bash")
    done = script("local.sh", "-n", "2", *arguments, FERJAX=run, JAX_PLATFORMS="cpu",
                  JAX_COMPILATION_CACHE_DIR=str(tiny_run.compiled))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 × cpu" in done.stdout
    assert tiny.result(workdir)["steps"] == 3
