"""How a file says that its picture holds two views."""


def stereo_mode(layout: str) -> str | None:
    """Matroska's StereoMode for `layout`, as FFmpeg names it; None for one view."""
    return {
        "full_sbs": "left_right",
        "half_sbs": "left_right",
        "cross_eyed": "right_left",
        "full_tb": "top_bottom",
        "half_tb": "top_bottom",
        "anaglyph": "anaglyph_cyan_red",
    }.get(layout)


def frame_packing(layout: str) -> int | None:
    """H.264's frame_packing_arrangement_type for x264, or None.

    x264 always signals that the left view comes first, so cross-eyed has none.
    """
    return {"left_right": 3, "top_bottom": 4}.get(stereo_mode(layout) or "")
