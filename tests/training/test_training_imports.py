"""Importing training loads no converter, no depth network and no hub client."""

import subprocess
import sys

CODE = """
import sys
import stereojax.training.run
import stereojax.training.inpaint_task
for name in sys.modules:
    print(name)
"""


def test_training_imports_no_converter_and_no_depth_network():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.split()
    assert "stereojax.training.loop" in loaded
    unwanted = ("convert_weights.", "stereojax.depth", "huggingface_hub")
    assert [name for name in loaded if name.startswith(unwanted)] == []
