"""Coverage-true compositing keeps widths, edges and surfaces at every disparity."""

import numpy as np
import pytest

from stereojax.splat import forward_splat

WIDTHS = (1, 2, 3, 5, 8)
WALL, START = -3.0, 100


def splat(image, disparity):
    done = forward_splat(
        image, disparity, implementation="xla_gather", compositing="coverage"
    )
    return np.asarray(done.warped), np.asarray(done.occlusion)


def drift(gaps, width, wall=WALL):
    """A row for each gap: a wire of `width` pixels, `gap` px before a flat wall."""
    disparity = np.full((len(gaps), 200), wall, np.float32)
    disparity[:, START : START + width] += np.asarray(gaps, np.float32)[:, None]
    image = np.zeros((*disparity.shape, 1), np.float32)
    image[:, START : START + width] = 1
    return image, disparity


def seen_width(image, disparity):
    """Pixels of wire in each row; the hole is black, as if the wall went on."""
    warped, occlusion = splat(image, disparity)
    return (warped[..., 0] * (1 - occlusion)).sum(1)


@pytest.mark.parametrize("wall", [-3.0, -3.3, 0.0, 4.75])
@pytest.mark.parametrize("width", WIDTHS)
def test_wires_keep_their_width_while_disparity_drifts(width, wall):
    gaps = np.arange(0.0, 12.0, 0.05)
    seen = seen_width(*drift(gaps, width, wall))
    np.testing.assert_allclose(seen, width, atol=0.4)
    assert np.ptp(seen) < 0.2
    # From 2 pixels on, nothing is taken for a stretched surface.
    np.testing.assert_allclose(seen[gaps >= 2], width, atol=1e-4)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_pixel_jumps_while_disparity_drifts(width):
    step = 0.01
    image, disparity = drift(np.arange(0.0, 6.0, step), width)
    warped, occlusion = splat(image, disparity)
    shown = warped[..., 0] * (1 - occlusion)
    # An edge that moves by `step` changes a pixel by as much; closing the gap
    # next to it changes a pixel by at most as much again.
    assert np.abs(np.diff(shown, axis=0)).max() < 2.5 * step


def test_a_step_edge_is_anti_aliased():
    for gap in np.arange(4.0, 5.0, 0.125):
        disparity = np.zeros((1, 200), np.float32)
        disparity[0, START:] = gap
        image = np.zeros((1, 200, 1), np.float32)
        image[0, START:] = 1
        warped, occlusion = splat(image, disparity)
        whole = int(gap)
        edge = [0, gap - whole, 1, 1]  # of the targets next to the edge, from the left
        at = START - whole - 2
        np.testing.assert_allclose(warped[0, at : at + 4, 0], edge, atol=1e-6)
        np.testing.assert_array_equal(occlusion[0, : START + 50], 0)


def test_a_near_surface_hides_a_far_one():
    rng = np.random.default_rng(0)
    image = rng.random((1, 200, 3), dtype=np.float32)
    disparity = np.zeros((1, 200), np.float32)
    disparity[0, 80:120] = 17.5
    warped, _ = splat(image, disparity)
    inside = (image[0, 80:119] + image[0, 81:120]) / 2
    np.testing.assert_allclose(warped[0, 63:102], inside, atol=1e-6)


def test_three_surfaces_show_by_their_areas():
    """A target that a near, a middle and a far source reach shows a part of each."""
    image = np.zeros((1, 200, 3), np.float32)
    disparity = np.full((1, 200), -50, np.float32)
    image[0, 130, 0], disparity[0, 130] = 1, 30.25  # a quarter of target 99
    image[0, 105, 1], disparity[0, 105] = 1, 5.5  # a half of it
    image[0, 49, 2] = 1  # the far one, all of it
    warped, occlusion = splat(image, disparity)
    np.testing.assert_allclose(warped[0, 99], [0.25, 0.5, 0.25], atol=1e-6)
    assert occlusion[0, 99] == 0


def slope(rise, *, noise=0.0, width=200):
    """A near plane before a wall of another colour, which its targets also get."""
    rng = np.random.default_rng(0)
    x = np.arange(width)
    disparity = np.full((8, width), -150.0)
    plane = slice(width // 2, width)
    disparity[:, plane] = 60 - rise * (x[plane] - width // 2)
    disparity += rng.uniform(-noise, noise, disparity.shape)
    image = np.zeros((8, width, 1), np.float32)
    image[:, plane] = 1
    return image, disparity.astype(np.float32), plane


@pytest.mark.parametrize("rise", [-0.9, -0.5, -0.1, 0.0, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_slanted_surface_is_opaque(rise):
    """Positive rises stretch the surface to up to 1.9 times its width."""
    image, disparity, plane = slope(rise)
    disparity[:, : plane.start] = np.linspace(-40, 0, plane.start)
    warped, occlusion = splat(image, disparity)
    landed = np.arange(200)[plane] - disparity[0, plane]
    first, last = int(np.ceil(landed.min())) + 1, int(landed.max()) - 1
    last = min(last, 199)
    np.testing.assert_allclose(occlusion[:, first:last], 0, atol=1e-6)
    np.testing.assert_allclose(warped[:, first:last], 1, atol=1e-5)


@pytest.mark.parametrize("rise", [0.0, 0.2, 0.5])
def test_noise_of_the_depth_opens_no_hole(rise):
    image, disparity, plane = slope(rise, noise=0.05)
    _, occlusion = splat(image, disparity)
    landed = np.arange(200)[plane] - disparity[0, plane]
    inside = slice(int(landed[2]), min(200, int(landed[-2])))
    assert occlusion[:, inside].max() < 0.08


def test_steps_of_a_rounded_depth_open_no_hole():
    """8-bit depth moves by 0.1 pixels at once, each step alone on a flat surface."""
    disparity = (4.0 - 0.1 * (np.arange(300) // 20)).astype(np.float32)[None]
    _, occlusion = splat(np.ones((1, 300, 1), np.float32), disparity)
    np.testing.assert_allclose(occlusion[:, :295], 0, atol=1e-6)


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5, 0.75])
@pytest.mark.parametrize("fall", [0.6, 0.75, 0.9])
def test_a_tooth_of_estimated_depth_shows_no_background(fall, fraction):
    """Sharpened depth rises, falls at once and rises again behind a silhouette."""
    near = np.concatenate([np.arange(5) * 0.2, 0.8 - fall + np.arange(40) * 0.2])
    disparity = np.concatenate([np.full(60, -16.0), 4.0 + fraction + near])
    image = (disparity > 0).astype(np.float32)[None, :, None]
    warped, _ = splat(image, disparity.astype(np.float32)[None])
    landed = (np.arange(60, 105) - disparity[60:])[:10]
    inside = slice(int(np.ceil(landed[0])) + 1, int(landed[-1]))
    assert warped[0, inside, 0].min() > 0.85


def test_a_curved_surface_is_opaque():
    x = np.arange(400)
    disparity = (20 * np.sin(x / 40))[None].astype(np.float32)  # stretched up to 1.5
    _, occlusion = splat(np.ones((1, 400, 1), np.float32), disparity)
    np.testing.assert_allclose(occlusion[:, 25:375], 0, atol=0.01)


def test_the_hole_beside_a_near_surface_stays_open():
    gaps = np.arange(2.0, 20.0, 0.25)
    image, disparity = drift(gaps, 8)
    _, occlusion = splat(image, disparity)
    np.testing.assert_allclose(occlusion[:, 20:180].sum(1), np.minimum(gaps, 8))


def test_flat_surfaces_equal_the_published_formula():
    rng = np.random.default_rng(0)
    image = rng.random((4, 200, 3), dtype=np.float32)
    disparity = np.array([[0.0], [0.3], [-7.75], [12.5]], np.float32)
    disparity = np.broadcast_to(disparity, (4, 200))
    warped, occlusion = splat(image, disparity)
    published = forward_splat(image, disparity, implementation="xla_gather")
    np.testing.assert_allclose(warped, published.warped, atol=1e-6)
    np.testing.assert_allclose(occlusion, published.occlusion, atol=1e-6)


def test_a_fully_covered_target_is_opaque():
    """Where the published occlusion is 0, this one is."""
    rng = np.random.default_rng(1)
    disparity = np.cumsum(rng.normal(0, 0.4, (16, 300)), 1).astype(np.float32)
    image = rng.random((16, 300, 1), dtype=np.float32)
    _, occlusion = splat(image, disparity)
    published = forward_splat(image, disparity, implementation="xla_gather")
    assert (occlusion <= np.asarray(published.occlusion) + 1e-6).all()
    assert (np.asarray(published.occlusion) > 0.05).mean() > 0.1
