"""The towers of Gemma 3n in PyTorch, random weights: for write_benchmarks.py.

    time_torch_towers.py THREADS bfloat16|float32

First prints its version; then answers each line, "picture 768" or "sound 30 s", with seconds. A sound's are those of its
features and of the tower.
"""

import sys
import time

import numpy as np
import timm
import torch
import transformers
from transformers.models.gemma3n import modeling_gemma3n as modeling


def towers(dtype):
    audio = modeling.Gemma3nAudioEncoder(transformers.Gemma3nAudioConfig())
    vision = timm.create_model("mobilenetv5_300m_enc", pretrained=False, num_classes=0)
    return audio.to(dtype).eval(), vision.to(dtype).eval()


@torch.no_grad()
def main():
    torch.set_num_threads(int(sys.argv[1]))
    dtype = getattr(torch, sys.argv[2])
    audio, vision = towers(dtype)
    picture = torch.rand(1, 3, 768, 768, dtype=dtype)
    clip = np.random.default_rng(1).uniform(-0.5, 0.5, 30 * 16000).astype(np.float32)
    extractor = transformers.Gemma3nAudioFeatureExtractor()
    print(f"PyTorch {torch.__version__}, transformers {transformers.__version__}, timm {timm.__version__}", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        if line.startswith("picture"):
            vision.forward_features(picture)
        else:
            features = extractor([clip], return_tensors="pt")
            audio(features["input_features"].to(dtype), ~features["input_features_mask"].bool())
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
