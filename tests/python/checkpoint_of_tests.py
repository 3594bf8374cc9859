"""The small whole model of the tests: its files are in checkpoint/, its weights follow a formula."""
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent / "golden"

MEDIA = {
    "image": GOLDEN / "media/type6_depth8_33x18.png",
    "image2": GOLDEN / "media/rgb_64x48_444.jpg",
    "sound": GOLDEN / "audio/fixtures/sounds/rate_16000.wav",
}


def write(write_checkpoint, folder):
    """Writes it to folder/"whole"; returns the files that snippets see."""
    whole = pathlib.Path(folder) / "whole"
    subprocess.run([str(write_checkpoint), str(HERE / "checkpoint/config.json"), str(whole)], check=True)
    for file in (HERE / "checkpoint").iterdir():
        shutil.copy(file, whole)
    return {
        "model_dir": whole,
        "text_model_dir": GOLDEN / "fixtures/checkpoints/chat",
        **MEDIA,
    }
