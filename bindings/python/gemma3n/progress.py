"""A progress bar: one line on the terminal's error stream, for work of more than a second."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from types import TracebackType
from typing import Callable, Optional, TextIO, TypeVar

T = TypeVar("T")

_SHOWN_AFTER_S = 1.0
_REDRAWN_EVERY_S = 0.1
_BAR_COLUMNS = 30


def is_enabled() -> bool:
    """False if $HF_HUB_DISABLE_PROGRESS_BARS asks for no bars."""
    return os.environ.get("HF_HUB_DISABLE_PROGRESS_BARS", "").upper() not in (
        "1",
        "ON",
        "YES",
        "TRUE",
    )


class Progress:
    """A bar such as "Loading: 42% |#######     | 42/100 [00:12<00:17, 3.50/s]".

    total: how much work there is; None if unknown. It appears once the work has taken a second, if
    `file` (stderr) is a terminal or `force` is set; close(), also by `with`, ends its line.
    """

    def __init__(
        self,
        total: Optional[float] = None,
        description: str = "",
        *,
        unit: str = "",
        force: bool = False,
        file: Optional[TextIO] = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.total = total
        self.done: float = 0
        self.description = description
        self.unit = unit
        self._file = sys.stderr if file is None else file
        self._clock = clock
        self._start = clock()
        self._drawn: Optional[float] = None  # when the line was drawn last
        self._columns = 0  # that it takes
        self._is_shown = is_enabled() and (force or _is_terminal(self._file))
        self._is_closed = False

    def update(self, amount: float = 1) -> None:
        """So much more is done."""
        self.set(self.done + amount)

    def set(self, done: float) -> None:
        """So much is done now."""
        self.done = done
        now = self._clock()
        if not self._is_shown or self._is_closed or now - self._start < _SHOWN_AFTER_S:
            return
        if self._drawn is None or now - self._drawn >= _REDRAWN_EVERY_S:
            self._draw(now)

    def set_fraction(self, fraction: float) -> None:
        """So much of the total is done now: 0 to 1."""
        self.set(fraction * (1 if self.total is None else self.total))

    def close(self) -> None:
        """Draws the final state and ends the line, if the bar has appeared. Later calls do nothing."""
        if self._is_closed:
            return
        if self._drawn is not None:
            self._draw(self._clock())
            self._write("\n")
        self._is_closed = True

    def line(self, seconds: float) -> str:
        """The bar's text after so many seconds of work."""
        rate = self.done / seconds if seconds > 0 else 0.0
        head = f"{self.description}: " if self.description else ""
        is_fraction = self.total == 1 and not self.unit
        speed = "" if is_fraction or rate == 0 else f", {_number(rate)}{self.unit}/s"
        if not self.total:
            return f"{head}{_number(self.done)}{self.unit} [{_duration(seconds)}{speed}]"
        fraction = min(max(self.done / self.total, 0.0), 1.0)
        filled = int(fraction * _BAR_COLUMNS)
        bar = "#" * filled + " " * (_BAR_COLUMNS - filled)
        count = "" if is_fraction else f" {_number(self.done)}/{_number(self.total)}{self.unit}"
        left = _duration(max(self.total - self.done, 0) / rate) if rate > 0 else "?"
        return (
            f"{head}{int(fraction * 100):3d}% |{bar}|{count} [{_duration(seconds)}<{left}{speed}]"
        )

    def _draw(self, now: float) -> None:
        text = self.line(now - self._start)[: max(shutil.get_terminal_size().columns - 1, 20)]
        self._write("\r" + text.ljust(self._columns))
        self._columns = len(text)
        self._drawn = now

    def _write(self, text: str) -> None:
        try:
            self._file.write(text)
            self._file.flush()
        except (OSError, ValueError):  # the stream is gone; the work goes on
            self._is_shown = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()


def progress(
    iterable: Iterable[T],
    description: str = "",
    total: Optional[float] = None,
    *,
    force: bool = False,
) -> Iterator[T]:
    """The items, with a bar of how many have been worked on."""
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    with Progress(total, description, force=force) as bar:
        for item in iterable:
            yield item
            bar.update()


def _is_terminal(file: Optional[TextIO]) -> bool:
    try:
        return file is not None and file.isatty()
    except (AttributeError, ValueError):  # no stream at all, or a closed one
        return False


def _duration(seconds: float) -> str:
    minutes, second = divmod(int(round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute:02d}:{second:02d}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and value < 1e9 else f"{value:.2f}"
