"""Names of converted films: players decide by them how to show a file."""

from pathlib import Path

from stereojax.video.writing.codecs import CODECS, CONTAINERS

# The words that players look for, as iw3 (nunif) uses them: LRF and TBF are full-size
# views, LR and TB squeezed ones.
_SUFFIXES = {
    "full_sbs": "_LRF_Full_SBS",
    "half_sbs": "_LR",
    "full_tb": "_TBF_fulltb",
    "half_tb": "_TB",
    "cross_eyed": "_RLF_cross",
    "anaglyph": "_redcyan_{kind}",
    "right": "_right",
    "left_right_files": "",  # the files themselves are called _left and _right
}


def output_name(
    source: Path,
    layout: str,
    anaglyph: str = "dubois",
    codec: str | None = None,
) -> str:
    """The file name for `source` converted to `layout`, when the output is a folder.

    The container stays what it is where it can hold the `codec` (None: by default)
    and the layout; otherwise it is Matroska.
    """
    suffix = _SUFFIXES[layout].format(kind=anaglyph)
    return f"{Path(source).stem}{suffix}{_container(source, layout, codec)}"


def _container(source: Path, layout: str, codec: str | None) -> str:
    container = Path(source).suffix.lower()
    if container not in CONTAINERS:
        return ".mkv"
    if container == ".webm":
        # AV1 is all that we write there, and its encoder knows no 4:4:4.
        fits = codec in (None, "av1") and layout != "anaglyph"
    else:
        fits = codec is None or container in CODECS[codec].containers
    return container if fits else ".mkv"
