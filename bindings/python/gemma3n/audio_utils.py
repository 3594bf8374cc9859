"""Loading sounds, under the name that transformers gives the module."""

from __future__ import annotations

from gemma3n.media import load_audio as load_audio
