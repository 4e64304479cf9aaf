"""Copies metadata tags of the source that remain valid for the output."""

from pathlib import Path

import av

# Tags that the muxer writes itself, or that do not apply to the output.
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
# ISO 639-2 has two codes for some languages. FFmpeg's MOV muxer knows one of them, or
# its own code, and drops the other.
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
# Statistics that mkvmerge wrote about the source file.
_STALE_STARTS = ("_STATISTICS", "BPS", "NUMBER_OF_", "DURATION-")


def valid_tags(metadata: dict[str, str]) -> dict[str, str]:
    """Returns the tags that are valid for the output."""
    result = {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _STALE and not key.upper().startswith(_STALE_STARTS)
    }
    # FFmpeg reads an MP4 track's title as "name" but writes it from "title".
    if "name" in result:
        result.setdefault("title", result.pop("name"))
    return result


def copy_tags(stream: av.stream.Stream, out: av.stream.Stream) -> None:
    """Copies tags (language, ...) and disposition (default, ...) to `out`."""
    out.metadata.clear()
    out.metadata.update(valid_tags(stream.metadata))
    language = out.metadata.get("language")
    if out.container.format.name == "mov" and language in _QUICKTIME_LANGUAGES:
        out.metadata["language"] = _QUICKTIME_LANGUAGES[language]
    if out.container.format.name not in ("mp4", "mov"):
        out.metadata.pop("handler_name", None)  # a field of MP4 only
    out.disposition = stream.disposition


def missing_tags(expected: dict[str, str], path: Path) -> str:
    """Returns the tags that the file at `path` lacks, separated by commas."""
    with av.open(f"file:{path}", metadata_errors="replace") as container:
        written = {key.lower() for key in container.metadata}
    return ", ".join(key for key in expected if key.lower() not in written)
