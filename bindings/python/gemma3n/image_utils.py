"""Loading pictures, under the name that transformers gives the module."""

from __future__ import annotations

from gemma3n.media import load_image as load_image, load_images as load_images
