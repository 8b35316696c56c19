import re
import threading

import pytest

from trivium.base import log
from trivium.base.errors import TriviumError


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59.4, "59s"), (59.6, "1m00s"), (185, "3m05s"), (3600, "1h00m"), (7830, "2h10m")]
)
def test_durations_read_well(seconds, text):
    assert log.duration(seconds) == text


def test_warnings_go_to_the_error_stream(capsys):
    log.warn("careful")
    assert capsys.readouterr() == ("", "warning: careful\n")


def test_without_a_terminal_progress_is_a_plain_line_now_and_then(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(log.time, "monotonic", lambda: now[0])
    with log.progress("training", 100, "steps") as bar:
        bar.update(1, lambda: pytest.fail("words that nobody sees are not made"))
        now[0] = 20.0
        bar.update(40, lambda: "loss 2.0")
        bar.update(41)
    assert capsys.readouterr().out == "training: 40/100 steps, 2.00 steps/s, 30s left, loss 2.0\n"


def test_work_that_was_done_before_does_not_count_into_the_rate(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(log.time, "monotonic", lambda: now[0])
    with log.progress("training", 100, "steps") as bar:
        bar.begin(50)
        now[0] = 10.0
        bar.update(60)
    assert "1.00 steps/s, 40s left" in capsys.readouterr().out


def test_no_rate_is_known_before_the_first_unit(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(log.time, "monotonic", lambda: now[0])
    with log.progress("reading", 10) as bar:
        now[0] = 11.0
        bar.update(0)
    assert capsys.readouterr().out == "reading: 0/10 items\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.01234, "0.0123"),
        (0.5, "0.500"),
        (9.999, "10.0"),
        (87.6, "87.6"),
        (999.6, "1,000"),
        (12345, "12,300"),
    ],
)
def test_a_rate_has_three_significant_figures(value, shown):
    assert log.figures(value) == shown


def test_slow_work_has_a_rate_too(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(log.time, "monotonic", lambda: now[0])
    with log.progress("training", 10, "steps") as bar:
        now[0] = 40.0
        bar.update(1, lambda: bar.rate(8192, "tokens"))
    assert capsys.readouterr().out == "training: 1/10 steps, 0.0250 steps/s, 6m00s left, 205 tokens/s\n"


def test_work_of_unknown_size_names_no_total(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(log.time, "monotonic", lambda: now[0])
    with log.progress("reading", None, "files") as bar:
        now[0] = 20.0
        bar.update(40)
    assert capsys.readouterr().out == "reading: 40 files, 2.00 files/s\n"


def test_bars_stand_beside_each_other(monkeypatch):
    monkeypatch.setattr(log.sys.stdout, "isatty", lambda: True, raising=False)
    with log.progress("training", 2, "steps") as outer:
        for _ in log.watched([1, 2, 3], "scoring", "batches"):
            assert [task.description for task in outer.live.tasks] == ["training", "scoring"]
        with log.waiting("writing"):
            assert outer.live.tasks[-1].total is None
        assert [task.description for task in outer.live.tasks] == ["training"]
        outer.total = 5  # a total that becomes known is shown
        outer.update(1)
        assert outer.live.tasks[0].total == 5
    with log.progress("again", 1) as bar:
        assert bar.live is not outer.live
    assert list(log.watched([7], "scoring", "batches")) == [7]


def test_a_terminal_gets_a_live_bar(monkeypatch):
    monkeypatch.setattr(log.sys.stdout, "isatty", lambda: True, raising=False)
    with log.progress("training", 2, "steps") as bar:
        assert bar.live is not None
        bar.update(1, lambda: "loss 1.0")
        task = bar.live.tasks[0]
        assert (task.completed, task.fields["note"]) == (1, "loss 1.0")


def test_other_threads_draw_no_bars(monkeypatch):
    monkeypatch.setattr(log.sys.stdout, "isatty", lambda: True, raising=False)
    seen = []

    def work():
        with log.progress("answering", 2) as bar:
            seen.append(bar.live)

    with log.progress("serving", 1):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert seen == [None]


def test_quiet_keeps_results_and_warnings(capsys):
    with log.speaking(quiet=True):
        log.say("reading")
        log.result("loss 2.0")
        log.warn("careful")
        with log.progress("training", 2, "steps") as bar:
            bar.update(2)
    log.say("heard again")
    assert capsys.readouterr() == ("loss 2.0\nheard again\n", "warning: careful\n")


def test_a_log_file_keeps_every_line_with_its_time(tmp_path, capsys):
    path = tmp_path / "run.log"
    path.write_text("before\n")
    with pytest.raises(TriviumError), log.speaking(quiet=True, file=path):
        log.say("one\n\ntwo")
        log.result("three")
        log.warn("four")
        raise TriviumError("five")
    log.say("not here")
    before, *lines = path.read_text().splitlines()
    assert before == "before" and all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ", line) for line in lines)
    assert [line.split("  ")[1] for line in lines] == ["one", "two", "three", "warning: four", "error: five"]


def test_a_log_file_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(TriviumError, match="cannot write"), log.speaking(file=tmp_path / "none" / "run.log"):
        log.say("one")
