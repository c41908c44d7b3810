"""When process 0 ends a run of several processes; times are made up."""

from ferjax.cluster.liveness import Judge, Limits, Report
from ferjax.errors import TRY_AGAIN

LIMITS = Limits(silence=10, progress=60)


def verdict_at(now, judge, **reports):
    """The verdict after the reports `p0=(beat, step)` and so on came at a time."""
    named = {int(name[1:]): Report(f"host {name[1:]}", *values) for name, values in reports.items()}
    judge.note(named, now)
    return judge.verdict(now)


def test_processes_that_live_and_get_further_are_left_alone():
    judge = Judge(2, LIMITS, now=0)
    for beat in range(100):
        assert verdict_at(5.0 * beat, judge, p0=(beat, beat // 10), p1=(beat, beat // 10)) is None


def test_a_process_that_says_nothing_is_lost_after_the_limit():
    judge = Judge(3, LIMITS, now=0)
    assert verdict_at(1, judge, p0=(1, 1), p1=(1, 1), p2=(1, 1)) is None
    assert verdict_at(11, judge, p0=(2, 2), p1=(1, 1), p2=(2, 2)) is None  # ten seconds exactly
    verdict = verdict_at(11.1, judge, p0=(3, 2), p1=(1, 1), p2=(3, 2))
    assert verdict.code == TRY_AGAIN
    assert verdict.text.startswith("no sign of life for 10 s from process 1 (host 1): killed, or its machine")
    assert "the same command goes on from the last checkpoint" in verdict.text


def test_a_process_that_never_came_is_lost_too():
    judge = Judge(2, LIMITS, now=0)
    assert verdict_at(9, judge, p0=(1, 1)) is None
    assert "from process 1: killed" in verdict_at(10.5, judge, p0=(2, 1)).text


def test_all_alive_without_a_step_is_a_hung_run():
    judge = Judge(2, LIMITS, now=0)
    for second in range(0, 60, 5):
        assert verdict_at(second, judge, p0=(second, 7), p1=(second, 6)) is None
    verdict = verdict_at(61, judge, p0=(61, 7), p1=(61, 6))
    assert verdict.code == TRY_AGAIN
    assert "no process has finished a step for 60 s" in verdict.text
    assert "process 0 (host 0) step 7, process 1 (host 1) step 6" in verdict.text


def test_a_failure_is_passed_on_with_its_exit_code():
    judge = Judge(2, LIMITS, now=0)
    judge.note({1: Report("host 1", 1, 5, failure=(2, "no such data set"))}, 1)
    verdict = judge.verdict(1)
    assert (verdict.code, verdict.text) == (2, "no such data set (process 1, host 1)")


def test_process_0_waits_until_those_who_live_have_read_the_verdict():
    judge = Judge(3, LIMITS, now=0)
    judge.note({0: Report("a"), 1: Report("b", obeyed=False), 2: Report("c")}, 1)
    assert not judge.all_obeyed(2)
    judge.note({1: Report("b", beat=1, obeyed=True)}, 11)
    assert judge.all_obeyed(12)  # 2 has been silent since 1
