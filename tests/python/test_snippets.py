"""gemma3n gives what transformers gave; the results of transformers are stored."""
import pathlib

import pytest

import gemma3n
import snippets

BLOCKS = snippets.read_blocks()
STORED = snippets.load_results(pathlib.Path(__file__).parent / "snippet_results.json")


def test_every_block_has_a_stored_result():
    assert set(BLOCKS) == set(STORED), "run tools/reference/compare_snippets.py --store"


# Snippets are as users write them: some leave a file to be closed by the collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_block(name, files):
    actual = snippets.summarize(snippets.run_block(BLOCKS[name], gemma3n, files))
    lines = snippets.differences(STORED[name], actual)
    assert not lines, "\n".join(lines + [actual.get("text", "") if isinstance(actual, dict) else ""])
