#!/usr/bin/env python3
"""Runs the snippets of tests/python/snippets under transformers and under gemma3n and compares:

    python tools/reference/compare_snippets.py --gemma3n PYTHON [--models 3] [--seed 0] [--only TEXT]

PYTHON is the interpreter of an environment in which gemma3n is installed and torch is not (or is:
then results are torch tensors on both sides). The checkpoints are drawn afresh. With --store it
writes what transformers gives on the checkpoint of the tests to tests/python/snippet_results.json.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import warnings

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/python"), str(ROOT / "tools/reference")]

import checkpoint_of_tests  # noqa: E402
import snippets  # noqa: E402

STORED = ROOT / "tests/python/snippet_results.json"


def run_all(module, files, only):
    results = {}
    for name, code in snippets.read_blocks().items():
        if only in name:
            start = time.monotonic()
            results[name] = snippets.run_block(code, module, files)
            seconds = time.monotonic() - start
            if seconds > 5:
                print(f"{module.__name__}: {name}: {seconds:.1f} s", file=sys.stderr)
    return results


def run_transformers(files, only):
    import torch
    import transformers
    from reference_model import double_precision_norms

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)  # the models are tiny
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    with torch.no_grad(), double_precision_norms():
        return run_all(transformers, files, only)


def run_gemma3n(python, files, only):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    job = json.dumps({"files": {k: str(v) for k, v in files.items()}, "only": only})
    done = subprocess.run([python, __file__, "--child"], input=job, stdout=subprocess.PIPE, text=True, check=True,
                          env=environment)
    return json.loads(done.stdout)


def child():
    job = json.load(sys.stdin)
    out = os.dup(1)
    os.dup2(2, 1)  # snippets may print
    import gemma3n

    with os.fdopen(out, "w") as file:
        json.dump(run_all(gemma3n, job["files"], job["only"]), file)


def draw_checkpoints(rng, folder):
    """A whole model and a text model with fresh random weights; returns the files of a run."""
    import compare_program
    import torch
    import transformers

    whole, text = folder / "whole", folder / "text"
    compare_program.write_checkpoint(rng, whole)
    config = transformers.AutoConfig.from_pretrained(whole).text_config
    model = transformers.Gemma3nForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, parameter[0].numel() ** -0.5)
            else:
                parameter.normal_(1, 0.1)
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    model.save_pretrained(text)
    transformers.AutoTokenizer.from_pretrained(whole).save_pretrained(text)
    return {"model_dir": whole, "text_model_dir": text, **checkpoint_of_tests.MEDIA}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gemma3n", help="a Python in whose environment gemma3n is")
    parser.add_argument("--models", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="blocks whose name holds this")
    parser.add_argument("--store", metavar="WRITE_CHECKPOINT", help="the built tool of that name")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return child()
    if arguments.store:
        with tempfile.TemporaryDirectory() as folder:
            files = checkpoint_of_tests.write(arguments.store, pathlib.Path(folder))
            results = {k: snippets.summarize(v) for k, v in run_transformers(files, "").items()}
        STORED.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in results.items()) + "\n}\n")
        print(f"{len(results)} results, {STORED.stat().st_size} bytes")
        return 0

    rng = random.Random(arguments.seed)
    compared = different = 0
    for index in range(arguments.models):
        with tempfile.TemporaryDirectory() as folder:
            files = draw_checkpoints(rng, pathlib.Path(folder))
            expected = run_transformers(files, arguments.only)
            actual = run_gemma3n(arguments.gemma3n, files, arguments.only)
        for name, value in expected.items():
            lines = snippets.differences(value, actual[name])
            compared += 1
            different += bool(lines)
            for line in lines[:4]:
                print(f"model {index}: {name}: {line}")
    print(f"{arguments.models} models, {len(expected)} snippets, {compared} comparisons, {different} differ")
    return different > 0


if __name__ == "__main__":
    sys.exit(main())
