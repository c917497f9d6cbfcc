import os
import threading

import pytest

from turnout.lifecycle.threads import WorkerPool


def test_tasks_run_on_few_threads_of_low_priority() -> None:
    pool = WorkerPool(2)
    together = threading.Barrier(3, timeout=10)
    niceness: list[int] = []

    def meet() -> None:
        niceness.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        together.wait()

    for _ in range(2):
        pool.submit(meet)
    together.wait()
    assert niceness == [10, 10] or min(niceness) >= 10
    third = threading.Event()
    pool.submit(third.set)
    assert third.wait(10)
    pool.close(10)


def test_a_task_that_fails_ends_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    pool = WorkerPool(1)

    def fail() -> None:
        raise ValueError("oops")

    done = threading.Event()
    pool.submit(fail)
    pool.submit(done.set)
    assert done.wait(10)
    pool.close(10)
    assert "a background task failed" in caplog.messages


def test_a_task_that_hangs_leaves_room_and_holds_up_no_end() -> None:
    pool = WorkerPool(2)
    hang, done = threading.Event(), threading.Event()
    pool.submit(hang.wait)  # pyright: ignore[reportArgumentType]
    pool.submit(done.set)
    assert done.wait(10)
    pool.close(0.1)
    hang.set()
