"""What the tests share: the small whole model, written once."""
import os

import pytest

import checkpoint_of_tests


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """model_dir, text_model_dir, image, image2, sound, as snippets see them."""
    tool = os.environ.get("GEMMA3N_WRITE_CHECKPOINT")
    assert tool, "GEMMA3N_WRITE_CHECKPOINT: expected the path of the built tool write_checkpoint"
    return checkpoint_of_tests.write(tool, tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="session")
def model_dir(files):
    return str(files["model_dir"])


@pytest.fixture(scope="session")
def text_model_dir(files):
    return str(files["text_model_dir"])
