"""Which tags of the source hold for the output, and under which names."""

from pathlib import Path

import av

# Written anew by the muxer, or untrue of what is written.
_STALE = {
    "major_brand",
    "minor_version",
    "compatible_brands",
    "encoder",
    "software",
    "duration",
    "rotate",
    "stereo_mode",
    "alpha_mode",
    "vendor_id",
}
# ISO 639-2 has two codes for some languages; FFmpeg's MOV muxer knows one of them, or
# one of its own, and drops the other.
_QUICKTIME_LANGUAGES = {
    "cze": "ces",
    "deu": "ger",
    "ell": "gre",
    "fre": "fra",
    "isl": "ice",
    "nld": "dut",
    "rum": "ron",
    "slo": "slk",
    "sqi": "alb",
    "swe": "sve",
    "zho": "chi",
}
# Statistics of mkvmerge: of the old file.
_STALE_STARTS = ("_STATISTICS", "BPS", "NUMBER_OF_", "DURATION-")


def kept(metadata: dict[str, str]) -> dict[str, str]:
    """The tags that stay true."""
    result = {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _STALE and not key.upper().startswith(_STALE_STARTS)
    }
    # MP4's name of a track is read as "name" and written from "title".
    if "name" in result:
        result.setdefault("title", result.pop("name"))
    return result


def describe(stream: av.stream.Stream, out: av.stream.Stream) -> None:
    """Gives `out` the tags and the disposition of `stream`: language, default, ..."""
    out.metadata.clear()
    out.metadata.update(kept(stream.metadata))
    language = out.metadata.get("language")
    if out.container.format.name == "mov" and language in _QUICKTIME_LANGUAGES:
        out.metadata["language"] = _QUICKTIME_LANGUAGES[language]
    if out.container.format.name not in ("mp4", "mov"):
        out.metadata.pop("handler_name", None)  # "VideoHandler": of MP4 alone
    out.disposition = stream.disposition


def missing_tags(wanted: dict[str, str], path: Path) -> str:
    """The tags of the film that are not in the file at `path`, separated by commas."""
    with av.open(f"file:{path}", metadata_errors="replace") as container:
        found = {key.lower() for key in container.metadata}
    return ", ".join(key for key in wanted if key.lower() not in found)
