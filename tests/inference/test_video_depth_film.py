"""A film with Video Depth Anything, uninterrupted and stopped inside a shot."""

import pytest
import video_depth_reference
from clips import picture, write_film

import stereojax
from convert_weights import convert
from stereojax.depth import video_depth
from stereojax.inference import depth_resume, depth_stage

FRAMES = 60


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    tiny = video_depth_reference.tiny()
    hub = video_depth_reference.save(tiny, folder / "hub")
    convert(hub, folder / "root", model="video_depth_anything_small")
    return folder / "root"


def test_a_stopped_film_is_resumed_inside_its_shot(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(video_depth, "picture_size", lambda *size, **how: (28, 42))
    monkeypatch.setattr(depth_resume, "SECONDS", 0.0)
    images = [picture(i // 8, 96, 54) for i in range(FRAMES)]
    source = write_film(tmp_path / "film.mp4", images)
    settings = {"weights_dir": weights, "segment_frames": 10, "depth_only": True}
    whole = stereojax.convert(source, tmp_path / "whole.mkv", **settings)
    assert whole["depth"]["model"] == "video_depth_anything_small"
    assert whole["frames_total"] == FRAMES
    assert len(whole["shots"]) == 1

    encode, encoded = video_depth._encode, []
    monkeypatch.setattr(
        video_depth, "_encode", lambda *args: encoded.append(1) or encode(*args)
    )
    write, written = depth_stage.write_segment, []

    def stopping(path, *rest):
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(path)
        return write(path, *rest)

    monkeypatch.setattr(depth_stage, "write_segment", stopping)
    with pytest.raises(KeyboardInterrupt):
        stereojax.convert(source, tmp_path / "again.mkv", **settings)
    assert len(written) == 5
    monkeypatch.setattr(depth_stage, "write_segment", write)
    encoded.clear()
    again = stereojax.convert(source, tmp_path / "again.mkv", **settings)
    assert again["frames_reused"] == 50
    # The first two windows, 54 frames, are not encoded again.
    assert len(encoded) == FRAMES - 54
    depth = [(tmp_path / f"{name}.mkv").read_bytes() for name in ("whole", "again")]
    assert depth[0] == depth[1]
