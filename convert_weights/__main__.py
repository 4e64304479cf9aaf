"""Converts published PyTorch weights to StereoJAX networks in the weights root.

python -m convert_weights --source DIR_OR_REPO [--output DIR] [--model NAME]

The source is a folder, a file (.safetensors, .pth, .pt.tar), the web address of a file,
or a repository on the Hugging Face hub, such as
depth-anything/Depth-Anything-V2-Small-hf. All networks of a diffusers pipeline are
converted.

See also python -m convert_weights.export and python -m convert_weights.verify.
"""

from absl import flags

from convert_weights.conversion import MODELS, convert_all
from stereojax import cli
from stereojax.weights import read_config, root

_SOURCE = flags.DEFINE_string(
    "source", None, "folder, file, web address or hub repository of the weights"
)
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "weights root to write to; default $STEREOJAX_WEIGHTS, else "
    "~/.cache/stereojax/weights",
)
_MODEL = flags.DEFINE_string(
    "model",
    None,
    f"network to convert to ({', '.join(MODELS)}); default: detected from the source",
)
_INIT_MASK_CHANNEL = flags.DEFINE_bool(
    "init_mask_channel",
    False,
    "add an input channel for the mask, with zero weights, to an 8-channel U-Net such "
    "as SVD's: the initial model for training StereoCrafter",
)


def run() -> None:
    if not _SOURCE.value:
        raise cli.InputError(
            "--source: expected a folder, a file, a web address or a hub repository"
        )
    folders = convert_all(
        _SOURCE.value,
        root(_OUTPUT.value),
        model=_MODEL.value,
        init_mask_channel=_INIT_MASK_CHANNEL.value,
    )
    for folder in folders:
        config = read_config(folder)
        print(f"licence of {config['part']}: {config['licence']}")
        print(f"wrote {folder} ({config['dtype']}, from {config['source']})")


if __name__ == "__main__":
    cli.main(run)
