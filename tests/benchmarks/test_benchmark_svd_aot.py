"""The report of SVD's networks: a written program, and small networks."""

import jax

from benchmarks.aot import svd
from stereojax.svd.unet import TINY
from stereojax.svd.vae import TINY_VAE

HLO = """\
HloModule jit_f, is_scheduled=true

%fused (p: bf16[1,25,64,8]) -> bf16[1,25,64,8] {
  %p = bf16[1,25,64,8]{3,2,1,0} parameter(0)
  ROOT %a = bf16[1,25,64,8]{3,2,1,0} add(%p, %p)
}

%moved (p.1: bf16[1,25,8,64]) -> bf16[1,25,64,8] {
  %p.1 = bf16[1,25,8,64]{3,2,1,0} parameter(0)
  ROOT %t = bf16[1,25,64,8]{3,2,1,0} transpose(%p.1), dimensions={0,1,3,2}
}

ENTRY %main (x: bf16[25,8,8,8], w: bf16[8,3,1,8]) -> bf16[1,25,64,8] {
  %x = bf16[25,8,8,8]{3,2,1,0} parameter(0)
  %w = bf16[8,3,1,8]{3,2,1,0} parameter(1)
  %w.1 = bf16[8,3,1,8]{3,2,1,0} copy(%w)
  %f = bf16[25,8,8,8]{3,2,1,0} fusion(%x), kind=kLoop, calls=BEFORE
  %b = bf16[1,25,64,8]{3,2,1,0} bitcast(%f)
  %c = (bf16[1,25,64,8]{3,2,1,0}, u8[0]{0}) custom-call(%b, %w.1), \
window={size=3x1 pad=1_1x0_0}, custom_call_target="__cudnn$convForward"
  %g = bf16[1,25,64,8]{3,2,1,0} get-tuple-element(%c), index=0
  ROOT %r = bf16[1,25,64,8]{3,2,1,0} fusion(%g, %b), kind=kLoop, calls=AFTER
}
"""


def copies(before: str, after: str) -> list[str]:
    text = HLO.replace("BEFORE", before).replace("AFTER", after)
    (names,) = svd.temporal_convolutions(text).values()
    return names


def test_copies_of_activations_around_a_temporal_convolution_are_found():
    """Copies of its weights, which are small, are not."""
    assert copies("%fused", "%fused") == []
    assert copies("%moved", "%fused") == ["%f"]
    assert copies("%fused", "%moved") == ["%r"]


def test_the_unet():
    (row,) = svd.unet_step(svd.on(jax.devices()[0]), (2, 4, 4), TINY)
    assert row["temp_GB"] > 0 and row["fits_24_GB_card"]
    assert 1.2e6 * 2 < row["in_GB"] * 1e9 < 1.5e6 * 2  # the weights, in bfloat16


def test_the_vae():
    spec = svd.on(jax.devices()[0])
    rows = list(svd.vae_decode_parts(spec, (3, 2, 2), TINY_VAE))
    by_name = {row["program"]: row for row in rows}
    assert len(by_name) == len(rows) == 1 + 4 * 5 + 1 + 2
    # The last layer: three frames of 16x16, 32 channels, two bytes.
    assert by_name["block 3.0: band"]["layer_GB"] == 3 * 16 * 16 * 32 * 2 / 1e9


def test_without_a_compiler_the_benchmark_is_skipped(monkeypatch, capsys):
    def missing(target):
        raise RuntimeError("no plugin")

    monkeypatch.setattr(svd, "described", missing)
    svd.main([])
    assert "H200: skipped, its compiler is not available" in capsys.readouterr().out
