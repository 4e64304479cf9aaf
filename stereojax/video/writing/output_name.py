"""Names converted videos such that players detect the stereo layout."""

from pathlib import Path

from stereojax.video.writing.codecs import CODECS, CONTAINERS

# Suffixes that players detect, as iw3 (nunif) writes them: LRF and TBF for full-size
# views, LR and TB for squeezed views.
_SUFFIXES = {
    "full_sbs": "_LRF_Full_SBS",
    "half_sbs": "_LR",
    "full_tb": "_TBF_fulltb",
    "half_tb": "_TB",
    "cross_eyed": "_RLF_cross",
    "anaglyph": "_redcyan_{kind}",
    "right": "_right",
    "left_right_files": "",  # each file adds _left or _right
}


def output_name(
    source: Path,
    layout: str,
    anaglyph: str = "dubois",
    codec: str | None = None,
) -> str:
    """Returns the file name of the converted video in an output folder.

    The container is the source's if that can hold the codec (None: the default codec)
    and the layout, otherwise Matroska.
    """
    suffix = _SUFFIXES[layout].format(kind=anaglyph)
    return f"{Path(source).stem}{suffix}{_container(source, layout, codec)}"


def _container(source: Path, layout: str, codec: str | None) -> str:
    container = Path(source).suffix.lower()
    if container not in CONTAINERS:
        return ".mkv"
    if container == ".webm":
        # WebM is written with AV1 only, and the AV1 encoder lacks 4:4:4 for anaglyphs.
        fits = codec in (None, "av1") and layout != "anaglyph"
    else:
        fits = codec is None or container in CODECS[codec].containers
    return container if fits else ".mkv"
