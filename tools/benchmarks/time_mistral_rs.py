"""mistral.rs on a checkpoint, asked again and again.   time_mistral_rs.py MODEL

Loads MODEL with weights of 4 bits (Q4K), which takes minutes and more memory than the checkpoint has bytes,
and prints a line with its version. For each line of input it reads a prompt of about 500 tokens, new in its
first words so that nothing is remembered, writes 32, and prints prompt tokens per second and written tokens
per second. Needs the package mistralrs 0.9.5.
"""

import importlib.metadata
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
from mistralrs import ChatCompletionRequest, MultimodalArchitecture, Runner, Which  # noqa: E402

WRITTEN = 32

model = Which.MultimodalPlain(model_id=sys.argv[1], arch=MultimodalArchitecture.Gemma3n)
runner = Runner(which=model, in_situ_quant="Q4K", no_paged_attn=True, prefix_cache_n=0)
print(f"mistral.rs {importlib.metadata.version('mistralrs')}", flush=True)
for number, _ in enumerate(sys.stdin):
    text = f"{number} " + "A boat goes down the river, and the river goes down to the wide grey sea. " * 26
    request = ChatCompletionRequest(model="default", messages=[{"role": "user", "content": text}], max_tokens=WRITTEN, temperature=0.0)
    usage = runner.send_chat_completion_request(request).usage
    print(usage.avg_prompt_tok_per_sec, usage.avg_compl_tok_per_sec, flush=True)
