"""Converts published weights, once, to what StereoJAX reads.

python -m convert_weights --source DIR_OR_REPO [--output DIR] [--model NAME]

The source is a folder, a file (.safetensors; .pth needs torch) or a repository on the
Hugging Face hub, such as depth-anything/Depth-Anything-V2-Small-hf.
"""

from absl import flags

from convert_weights.conversion import MODELS, convert
from stereojax import cli
from stereojax.weights import read_config, root

_SOURCE = flags.DEFINE_string("source", None, "folder, file or hub repository")
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "weights root to write to; default $STEREOJAX_WEIGHTS, ~/.cache/stereojax/weights",
)
_MODEL = flags.DEFINE_string(
    "model",
    None,
    f"what the source must be ({', '.join(MODELS)}); default: see by itself",
)


def run() -> None:
    if not _SOURCE.value:
        raise cli.InputError("--source: expected a folder, a file or a hub repository")
    folder = convert(_SOURCE.value, root(_OUTPUT.value), model=_MODEL.value)
    config = read_config(folder)
    print(f"licence of {config['part']}: {config['licence']}")
    print(f"wrote {folder} ({config['dtype']}, from {config['source']})")


if __name__ == "__main__":
    cli.main(run)
