"""Text while it is generated: what generate(streamer=...) calls for each token."""

from __future__ import annotations

import queue
from typing import Any, Iterator, Optional

from gemma3n.tensors import to_numpy


class BaseStreamer:
    """put(token_ids) for the prompt and then for each token; end() when the text is complete."""

    def put(self, value: Any) -> None:
        raise NotImplementedError

    def end(self) -> None:
        raise NotImplementedError


def _is_cjk(character: str) -> bool:
    """Scripts written without spaces: each such character is shown as soon as it is known."""
    code = ord(character)
    blocks = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2CEAF), (0x2F800, 0x2FA1F))
    return any(first <= code <= last for first, last in blocks)


class TextStreamer(BaseStreamer):
    """Prints words as soon as they are complete.

    tokenizer: a GemmaTokenizer or a Gemma3nProcessor. skip_prompt: leave out the prompt.
    decode_kwargs: for its decode, e.g. skip_special_tokens=True.
    """

    def __init__(self, tokenizer: Any, skip_prompt: bool = False, **decode_kwargs: Any):
        self.tokenizer = tokenizer
        self.skip_prompt = skip_prompt
        self.decode_kwargs = decode_kwargs
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._line: list[int] = []  # ids since the last line break
        self._shown = 0  # characters of their text that were given away
        self._is_prompt = True

    def put(self, value: Any) -> None:
        """token ids: [n] or [1, n]. Raises ValueError for more than one sequence."""
        ids = to_numpy(value, name="streamer.put")
        if ids.ndim > 1 and ids.shape[0] > 1:
            raise ValueError("a streamer takes one sequence, not a batch")
        is_prompt, self._is_prompt = self._is_prompt, False
        if self.skip_prompt and is_prompt:
            return
        self._line.extend(ids.reshape(-1).tolist())
        text = self.tokenizer.decode(self._line, **self.decode_kwargs)
        if text.endswith("\n"):
            fresh = text[self._shown :]
            self._line, self._shown = [], 0
        else:
            complete = len(text) if text and _is_cjk(text[-1]) else text.rfind(" ") + 1
            fresh = text[self._shown : complete]
            self._shown += len(fresh)
        self.on_finalized_text(fresh)

    def end(self) -> None:
        rest = ""
        if self._line:
            rest = self.tokenizer.decode(self._line, **self.decode_kwargs)[self._shown :]
        self._start_afresh()
        self.on_finalized_text(rest, stream_end=True)

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Called with text that will not change any more. Override it to do something else."""
        print(text, flush=True, end="\n" if stream_end else "")


class TextIteratorStreamer(TextStreamer):
    """An iterator over the text: generate() runs in one thread, the text is read in another.

    timeout: seconds to wait for the next text before queue.Empty is raised; None = for ever.
    """

    def __init__(
        self, tokenizer: Any, skip_prompt: bool = False, timeout: Optional[float] = None, **decode_kwargs: Any
    ):
        super().__init__(tokenizer, skip_prompt, **decode_kwargs)
        self.text_queue: queue.Queue[Optional[str]] = queue.Queue()
        self.stop_signal = None
        self.timeout = timeout

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        self.text_queue.put(text, timeout=self.timeout)
        if stream_end:
            self.text_queue.put(self.stop_signal, timeout=self.timeout)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        text = self.text_queue.get(timeout=self.timeout)
        if text is None:
            raise StopIteration
        return text
