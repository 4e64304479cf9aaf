"""Ends worker processes together with the process that started them."""

import multiprocessing
import os
import threading


def exit_with_parent() -> None:
    """Makes this process exit when its parent ends.

    A parent that is killed cannot stop its workers; a daemon thread of each worker
    waits for the parent instead.
    """
    threading.Thread(target=_wait_and_exit, daemon=True).start()


def _wait_and_exit() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
