"""`scripts/campaign`: that it notices what it looks for, and a part of it for the package."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commands import COMMANDS
from copies import in_a_copy, judged
from json_mutants import JSON
from kills import Changes
from limits import Peak, limited
from mutants import BYTES, damaged
from outcomes import Case, Outcome, Silent, failures, outcome_of, table
from power_cut import Disk
from readers import READERS
from weights_mutants import numbers, safetensors_of

from mlx_finbert.backend.linux_cpu.process import keep_freed_memory
from mlx_finbert.errors import InputError
from mlx_finbert.files.atomic import flush, write_bytes

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.skipif(sys.platform != "linux", reason="limits are those of Linux"),
]

RUN = Path(__file__).parents[2] / "scripts" / "campaign" / "run.py"


def raised(error):
    """The outcome of an error about the file news.csv."""
    return outcome_of(error, ["news.csv"])[0]


def test_the_outcome_of_an_error():
    assert raised(InputError("news.csv is empty")) is Outcome.SENTENCE
    assert raised(InputError("the file is empty")) is Outcome.UNCLEAR
    assert raised(InputError("news.csv has bad rows:\n  line 2\n  line 3")) is Outcome.SENTENCE
    assert raised(InputError("bad rows:\n  news.csv, line 2")) is Outcome.UNCLEAR
    assert raised(InputError("news.csv is " + "long" * 999)) is Outcome.UNCLEAR
    assert raised(FileNotFoundError(2, "missing", "news.csv")) is Outcome.OS_ERROR
    assert raised(RecursionError()) is Outcome.TRACEBACK
    assert raised(Silent("nothing")) is Outcome.SILENT


def test_memory_that_is_refused_counts_even_if_a_sentence_hides_it():
    try:
        try:
            raise MemoryError
        except MemoryError:
            raise InputError("news.csv is damaged") from None
    except InputError as error:
        assert raised(error) is Outcome.MEMORY


def has_counted(size):
    """Whether the peak is about this size where so many bytes are taken."""
    peak = Peak()
    block = bytearray(b"x") * size
    # The system may take back some pages of files meanwhile.
    return 0.9 * len(block) < peak.more() < 2 * len(block)


def judge(number):
    """Cases that end their process, in turns with those that do not."""
    if number == 1:
        os.kill(os.getpid(), signal.SIGSEGV)
    if number == 2:
        with limited(cpu_seconds=0.1):
            while True:
                pass
    if number == 3:
        with limited(seconds=0.1):
            signal.pause()
    if number == 4:
        return Case(number, Outcome.MEMORY if has_counted(300 << 20) else Outcome.SILENT)
    if number == 5:
        with limited(), pytest.raises(MemoryError):
            bytes(4 << 30)
    return Case(number, Outcome.OK)


def test_every_end_of_a_process_is_noticed_and_the_next_case_runs():
    found = {case.number: case.outcome for case in judged(range(7), judge)}
    assert found == {
        0: Outcome.OK,
        1: Outcome.CRASH,
        2: Outcome.HANG,
        3: Outcome.HANG,
        4: Outcome.MEMORY,
        5: Outcome.OK,
        6: Outcome.OK,
    }


def test_memory_counts_also_where_the_process_had_freed_as_much():
    def work(say):
        keep_freed_memory()
        freed = [bytearray(b"x") * (1 << 20) for _ in range(64)]
        del freed
        say(has_counted(32 << 20))

    assert in_a_copy(work) == ([True], 0)


def test_a_mutant_depends_on_its_number_alone():
    content = b"text,label\n" + b"sales rose,positive\n" * 20
    mutants = [BYTES.mutant(content, "CSV", number) for number in range(200)]
    assert mutants == [BYTES.mutant(content, "CSV", number) for number in range(200)]
    assert len({mutant.content for mutant in mutants}) > 150
    assert {mutant.is_damage for mutant in mutants} == {True, False}


def test_mutants_of_json_leave_nothing_for_the_next_one():
    content = json.dumps({name: {"a": [1, 2]} for name in "abcd"}).encode()
    mutants = [JSON.mutant(content, "JSON", number) for number in range(400)]
    assert mutants == [JSON.mutant(content, "JSON", number) for number in range(400)]


def test_the_numbers_of_arrays_of_bytes_are_set_too():
    tensors = {"a": {"dtype": "U8", "shape": [7], "data_offsets": [0, 7]}}
    content = safetensors_of(json.dumps(tensors).encode(), bytes(7))
    assert numbers(content, random.Random(0)).content != content


def test_damage_is_called_damage_only_where_bytes_differ():
    for number in range(200):
        mutant = damaged(b"\0\0\0\0", random.Random(number))
        assert mutant.is_damage == (mutant.content != b"\0\0\0\0")


def test_readers_have_names_of_their_own_and_known_bad_files():
    assert len(READERS) == len({reader.name for reader in READERS})
    assert min(len(reader.mutations.hostile) for reader in READERS) >= 8


def test_a_kill_comes_before_the_change_of_its_number(tmp_path):
    def work(say):
        sys.addaudithook(Changes(tmp_path, last=3))
        for name in "abc":
            (tmp_path / name).mkdir()
        (tmp_path / "a").rename(tmp_path / "d")
        say("not killed")

    said, status = in_a_copy(work)
    assert (said, os.WTERMSIG(status)) == ([], signal.SIGKILL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def in_a_recorded_copy(folder, work):
    """The events and faults of a copy of this process that works in a folder."""

    def record(say):
        disk = Disk(folder)
        disk.install()
        work()
        say([disk.events, disk.at_end()])

    (found,), status = in_a_copy(record, quiet=False)
    assert status == 0
    return found


def test_what_is_flushed_before_and_after_its_rename_is_safe(tmp_path):
    events, faults = in_a_recorded_copy(tmp_path, lambda: write_bytes(tmp_path / "a", b"new"))
    (before, renamed, after) = events
    assert before.startswith("fsync .a.")
    assert (renamed, after) == ("rename a", "fsync .")
    assert faults == []


def test_what_a_power_cut_could_lose_is_found(tmp_path):
    def without_flush():
        (tmp_path / "part").write_text("new")
        os.replace(tmp_path / "part", tmp_path / "a")

    def changed_after_flush():
        (tmp_path / "part").write_text("new")
        flush(tmp_path / "part")
        (tmp_path / "part").write_text("newer")
        os.replace(tmp_path / "part", tmp_path / "b")
        flush(tmp_path)

    lost = "the folder of a is not flushed"
    assert in_a_recorded_copy(tmp_path, without_flush)[1] == [
        "part becomes a and is not flushed",
        lost,
    ]
    assert in_a_recorded_copy(tmp_path, changed_after_flush)[1] == [
        "part becomes b and is not flushed"
    ]


def test_the_table_and_the_list_of_failures():
    cases = [
        Case(0, Outcome.OK),
        Case(1, Outcome.TRACEBACK, "cut", "EOFError: (a.py:3)"),
        Case(2, Outcome.TRACEBACK, "deep", "EOFError: x (a.py:3)"),
    ]
    _, line, together = table({"CSV": cases}).splitlines()
    assert line.split() == ["CSV", "3", "1", "0", "0", "0", "2", "0", "0", "0", "0"]
    assert together.split()[1:] == line.split()[1:]
    assert failures({"CSV": cases}) == "CSV, case 1: traceback, 2 times; cut: EOFError: (a.py:3)"


def campaign(*argv):
    """The failures of a run, as lines to read."""
    done = subprocess.run(
        [sys.executable, str(RUN), *argv, "--json"], capture_output=True, text=True, timeout=900
    )
    assert done.returncode in (0, 1), done.stderr
    cases = [json.loads(line) for line in done.stdout.splitlines()]
    assert cases, done.stderr
    return [case for case in cases if case["outcome"] not in ("ok", "sentence")]


CASES, KILLS = 200, 6
MATERIALS = sorted({r.material for r in READERS if not r.is_slow and r.material != "package"})
"""The folders of readers that take a fraction of a second a case."""


@pytest.mark.slow
@pytest.mark.parametrize("material", MATERIALS)
def test_damaged_files(material):
    names = [r.name for r in READERS if r.material == material and not r.is_slow]
    only = [part for name in names for part in ("--only", name)]
    assert campaign("--cases", str(CASES), *only) == []


@pytest.mark.slow
@pytest.mark.parametrize("command", [c.name for c in COMMANDS.values() if not c.is_slow])
def test_killed_commands(command):
    assert campaign("--kills", str(KILLS), "--only", command) == []
