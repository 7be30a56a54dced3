import pytest
from loopback import connected

from mlx_finbert.distributed import LostRankError, barrier, guarded, ranks
from mlx_finbert.errors import InputError

MEET = """
import mlx_finbert
from mlx_finbert.distributed import barrier, guarded, ranks
group = ranks()
barrier(group)
print(group.rank(), group.size(), flush=True)
"""
DIE = MEET + "import os; os._exit(9)"
GO_ON = (
    MEET
    + """
import sys
try:
    with guarded("call for help"):
        barrier(group)
except mlx_finbert.InputError as error:
    sys.exit(f"error: {error}")
"""
)


def test_one_process_is_a_group_of_its_own():
    group = ranks()
    assert (group.rank(), group.size()) == (0, 1)
    barrier(group)


def test_a_lost_rank_is_one_sentence():
    wanted = pytest.raises(LostRankError, match=r"was lost\).*; begin again")
    with wanted as caught, guarded("begin again"):
        raise RuntimeError("[ring] connection to a peer was lost\nmore")
    assert isinstance(caught.value, InputError) and "\n" not in str(caught.value)


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shapes"), guarded("begin again"):
        raise RuntimeError("[matmul] shapes")


def test_two_processes_meet_and_the_end_of_one_ends_the_other(tmp_path):
    first, second = connected(tmp_path, ["-c", GO_ON], ["-c", DIE])
    out, err = first.communicate(timeout=60)
    assert second.communicate()[0] == "1 2\n" and second.returncode == 9
    assert out == "0 2\n"
    assert first.returncode == 1
    assert "error: another process of this run has ended" in err and "call for help" in err
    assert "Traceback" not in err
