import io

import pytest
from gemma3n.progress import Progress, progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("HF_HUB_DISABLE_PROGRESS_BARS", raising=False)
    monkeypatch.setenv("COLUMNS", "120")


def run(file, seconds_a_step, steps=4, **options):
    clock = Clock()
    with Progress(steps, "Loading", file=file, clock=clock, **options) as bar:
        for _ in range(steps):
            clock.now += seconds_a_step
            bar.update()
    return file.getvalue()


def test_short_work_shows_nothing():
    assert run(Terminal(), 0.2) == ""


def test_long_work_shows_one_line_and_ends_it():
    text = run(Terminal(), 2.0)
    assert text.endswith("\n") and text.count("\n") == 1
    assert text.split("\r")[1].startswith("Loading:  25% |#######") and "1/4 [00:02<00:06, 0.50/s]" in text.split("\r")[1]
    assert "100% |" + "#" * 30 + "| 4/4 [00:08<00:00" in text.split("\r")[-1]


def test_shorter_lines_cover_longer_ones():
    file, clock = Terminal(), Clock()
    with Progress(None, "x" * 30, file=file, clock=clock) as bar:
        clock.now += 2
        bar.update()
        bar.description = "y"
        clock.now += 2
        bar.update()
    lines = file.getvalue().split("\r")
    assert len(lines[2]) == len(lines[1])


def test_only_on_terminals_unless_forced():
    assert run(io.StringIO(), 2.0) == ""
    assert "100%" in run(io.StringIO(), 2.0, force=True)


@pytest.mark.parametrize("value, shows", [("1", False), ("true", False), ("ON", False), ("0", True), ("", True)])
def test_environment_variable(monkeypatch, value, shows):
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", value)
    assert bool(run(Terminal(), 2.0)) is shows
    assert bool(run(Terminal(), 2.0, force=True)) is shows


def test_drawn_at_most_ten_times_a_second():
    text = run(Terminal(), 0.01, steps=300)
    assert 15 <= text.count("\r") <= 25


def test_fraction_of_loading():
    file, clock = Terminal(), Clock()
    bar = Progress(1, "Loading", file=file, clock=clock)
    clock.now += 5
    bar.set_fraction(0.5)
    assert file.getvalue() == "\rLoading:  50% |" + "#" * 15 + " " * 15 + "| [00:05<00:05]"
    bar.close()
    length = len(file.getvalue())
    bar.close()
    bar.set_fraction(1)
    assert len(file.getvalue()) == length


def test_unknown_total_and_hours():
    assert Progress(None, "Read").line(7200) == "Read: 0 [2:00:00]"
    bar = Progress(10, unit=" files")
    assert "[00:10<?]" in bar.line(10)


def test_the_line_ends_when_the_work_fails():
    file, clock = Terminal(), Clock()
    with pytest.raises(KeyError):
        with Progress(2, file=file, clock=clock) as bar:
            clock.now += 3
            bar.update()
            raise KeyError
    assert file.getvalue().endswith("\n")


def test_a_closed_stream_does_not_stop_the_work():
    file, clock = Terminal(), Clock()
    bar = Progress(2, file=file, clock=clock)
    file.close()
    clock.now += 3
    bar.update()
    bar.close()
    assert bar.done == 1


def test_iterating_gives_the_items():
    assert list(progress([1, 2, 3])) == [1, 2, 3]
    assert list(progress(iter("ab"), "letters")) == ["a", "b"]
