"""The suite's page: the newest figures of each device, and nothing of what stands beside it is lost."""

import json

import pytest

from benchmarks import suite_page


def case(what, batch, seconds, **more):
    def summary(median):
        return {"median": median, "min": median, "max": 2 * median}

    sides = {"ferjax": summary(seconds), "torch eager": summary(3 * seconds)}
    program = {"flops": 1e9, "bytes": 1e8, "memory": 2**20 * batch}
    return {
        "what": what, "model": "sdl", "size": 48, "precision": "float32", "batch": batch, "sides": sides,
        **program, **more,
    }  # fmt: skip


def run(device, date, cases):
    ceilings = {"float32": {"flops": 1e11, "bytes": 1e10}}
    return {
        "device": device, "date": date, "python": "3.11", "versions": {"jax": "1"}, "ceilings": ceilings,
        "cases": cases,
    }  # fmt: skip


@pytest.fixture
def history(tmp_path):
    """An old and a new run of one device, and one of another with a case that failed."""
    cases = [case("training", 4, 0.02), case("training", 8, 0.04), case("inference", 1, 0.001)]
    failed = {**case("training", 1024, 1.0), "failed": "out of memory"}
    real = {**case("input", 4, 0.1), "ratios": {"ferjax, memory": 1.02, "torch eager, DataLoader": 1.5}}
    start = {**case("first step", 4, 1.0)}
    start["sides"] = [
        {"run": "ferjax", "cold": 9.0, "warm": 3.0, "peak_memory_bytes": 2**30},
        {"run": "torch eager", "cold": 5.0, "warm": 5.0, "peak_memory_bytes": 2**29},
    ]
    runs = [
        run("CPU, 2 cores", "2026-01-01T00:00", [case("training", 4, 0.9)]),
        run("GPU", "2026-01-02T00:00", [failed]),
        run("CPU, 2 cores", "2026-01-03T00:00", [*cases, real, start]),
    ]
    file = tmp_path / "suite.jsonl"
    file.write_text("".join(json.dumps(run) + "\n" for run in runs))
    return file


def rows(text):
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "|" in line
    ]


def test_each_device_has_its_newest_run(history, tmp_path):
    page = tmp_path / "docs" / "benchmarks.md"
    suite_page.write(history, page)
    text = page.read_text()
    assert text.count("## CPU, 2 cores") == text.count("## GPU") == 1
    assert "2026-01-03" in text
    assert "2026-01-01" not in text
    assert "Failed: training sdl 48² batch 1024 float32: out of memory." in text
    found = rows(text)
    # 20 ms, 200 images a second, three times as fast; 1 GFLOP in 20 ms is 50 of 100 a second, bytes half too.
    assert [
        "sdl", "48²", "4", "float32", "20.0 (20.0–40.0)", "200", "3.00", "1.0", "50%", "50%", "4",
    ] in found  # fmt: skip
    assert ["sdl", "48²", "4", "float32", "1.020", "1.500"] in found
    assert ["sdl", "48²", "4", "float32", "ferjax", "9.0", "3.0", "1,024", "2.00"] in found
    pictures = sorted(path.name for path in page.parent.glob("*.png"))
    assert pictures == ["benchmarks_cpu-2-cores_batches.png", "benchmarks_cpu-2-cores_times.png"]
    for name in pictures:
        assert f"({name})" in text
        assert (page.parent / name).read_bytes().startswith(b"\x89PNG")


def test_a_run_of_a_part_leaves_the_rest(history, tmp_path):
    part = run("CPU, 2 cores", "2026-01-05T00:00", [case("training", 8, 0.08)])
    with history.open("a") as file:
        file.write(json.dumps(part) + "\n")
    page = tmp_path / "benchmarks.md"
    suite_page.write(history, page)
    text = page.read_text()
    assert "2026-01-03 to 2026-01-05" in text
    milliseconds = {row[4] for row in rows(text) if row[:3] == ["sdl", "48²", "8"]}
    assert milliseconds == {"80.0 (80.0–160.0)"}
    assert "20.0 (20.0–40.0)" in text
    with history.open("a") as file:
        file.write(json.dumps({**part, "versions": {"jax": "2"}}) + "\n")
    suite_page.write(history, page)
    assert "20.0 (20.0–40.0)" not in page.read_text()


def test_what_stands_beside_the_marks_stays(history, tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text(f"# Mine\n\nbefore\n\n{suite_page.BEGIN}\nearlier figures\n{suite_page.END}\n\nafter\n")
    suite_page.write(history, page)
    once = page.read_text()
    assert once.startswith("# Mine\n\nbefore\n")
    assert once.endswith("\n\nafter\n")
    assert "earlier figures" not in once
    suite_page.write(history, page)
    assert page.read_text() == once
