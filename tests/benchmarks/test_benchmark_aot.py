"""The ahead-of-time report, on programs that a CPU compiles."""

import jax
import jax.numpy as jnp

from benchmarks.aot import splat as aot

HLO = """\
HloModule jit_f, is_scheduled=true

%fused (p: f32[8]) -> f32[8] {
  %p = f32[8]{0} parameter(0)
  ROOT %a = f32[8]{0} add(%p, %p)
}

ENTRY %main.3 (i.1: f32[8,3], d.1: f32[8]) -> (f32[8,3], f32[8]) {
  %d.1 = f32[8]{0} parameter(1), metadata={op_name="sort(d)"}
  %fusion = f32[8]{0:T(8)} fusion(%d.1), kind=kLoop, calls=%fused
  %b = f32[8,1]{1,0} bitcast(%fusion)
  ROOT %s = (f32[8,3]{1,0}, f32[8]{0}) custom-call(%fusion, %b), \
custom_call_target="mosaic_gpu_v2", metadata={op_name="f(x)"}
}
"""


def test_operations_of_a_gpu_program():
    assert list(aot.operations(HLO)) == ["fusion", "mosaic_gpu_v2"]


def test_facts_of_a_compiled_program():
    x = jnp.arange(9.0)
    program = jax.jit(lambda x: jnp.sort(x * 2)[::-1] + 1).lower(x).compile()
    row = aot.facts(program)
    assert row["kernels"] >= 2 and row["sorts"] == 1 and row["pallas"] == 0
    assert row["temp_MB"] >= 0


def test_without_a_compiler_each_target_is_skipped(monkeypatch, capsys):
    def missing(target):
        raise RuntimeError(f"no {target}")

    monkeypatch.setattr(aot, "described", missing)
    aot.main([])
    printed = capsys.readouterr().out
    assert printed.count("skipped") == len(aot.TARGETS)
