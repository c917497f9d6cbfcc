"""How willingly a thread gives way to those that answer requests."""

import os
import threading
from contextlib import suppress

_NICENESS = 10


def lower_priority() -> None:
    """Makes the calling thread give way to those that answer requests; Linux keeps niceness per thread.

    Threads that it makes inherit it. Where the system refuses it, the thread goes on as it was.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
