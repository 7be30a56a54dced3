import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "bench" / "roofline.py"


@pytest.mark.slow
def test_the_parts_of_a_small_step_add_up():
    argv = [sys.executable, str(SCRIPT), "--model", "minilm", "--shape", "4x8", "--rounds", "1"]
    done = subprocess.run([*argv, "--json"], capture_output=True, text=True, check=True)
    (step,) = json.loads(done.stdout)["steps"]
    parts = step["milliseconds"]
    assert (step["model"], step["batch_size"], step["length"]) == ("minilm", 4, 8)
    host, step_itself = parts.pop("host"), parts.pop("step")
    assert step_itself == pytest.approx(sum(parts.values()))
    assert host > 0
    assert all(parts[name] > 0 for name in parts if name != "other")
    assert step["share"] > 0
