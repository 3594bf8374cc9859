"""The package's logger, and warnings that are shown once."""

from __future__ import annotations

import logging

logger = logging.getLogger("gemma3n")

_warned: set[str] = set()


def warn_once(message: str) -> None:
    """Logs a warning, the first time only."""
    if message not in _warned:
        _warned.add(message)
        logger.warning(message)


def warn_of_device(device: object) -> None:
    """`device` is an accelerator: the engine has none."""
    warn_once(f"device {device!r} was asked for; gemma3n computes on the CPU")
