import threading

import pytest

from mlx_finbert.prefetch import ahead, background

SECONDS = 60
"""More time than a busy machine needs; a test that waits this long has failed."""


def test_the_same_items_in_the_same_order():
    assert list(ahead(range(50))) == list(range(50))
    assert list(ahead([None, 0, ""])) == [None, 0, ""]
    assert list(ahead([])) == []


def test_one_item_is_made_while_another_is_used():
    made = [threading.Event() for _ in range(3)]
    threads = set()

    def items():
        for event in made:
            threads.add(threading.current_thread())
            event.set()
            yield event

    found = ahead(items())
    for i, event in enumerate(found):
        assert event is made[i]
        if i + 1 < len(made):
            assert made[i + 1].wait(SECONDS)
        # Never two, which would fill the memory.
        assert not any(event.is_set() for event in made[i + 2 :])
    assert len(threads) == 1 and threading.current_thread() not in threads


def test_what_making_an_item_raises_is_raised_where_it_is_asked_for():
    found = ahead(1 // (2 - i) for i in range(4))
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_no_thread_is_left_where_the_items_are_not_wanted_any_more():
    found = ahead(range(50))
    assert next(found) == 0
    found.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("background")]


def test_what_was_not_begun_is_dropped():
    begun, go_on = threading.Event(), threading.Event()
    with background() as thread:
        first = thread.submit(lambda: begun.set() or go_on.wait(SECONDS))
        second = thread.submit(lambda: None)
        second.add_done_callback(lambda _: go_on.set())  # the first one waits until it is dropped
        assert begun.wait(SECONDS)
    assert first.result() is True and second.cancelled()
