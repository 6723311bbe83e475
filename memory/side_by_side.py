"""Work on large arrays in a few threads: numpy and reading let go of the interpreter's lock."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Job = TypeVar("Job")
Done = TypeVar("Done")
THREADS = min(4, os.cpu_count() or 1) if os.name == "posix" else 1  # elsewhere reading seeks


def side_by_side(work: Callable[[Job], Done], jobs: Iterable[Job]) -> Iterator[Done]:
    """Yield the results of jobs in their order, a few of them under way at any time.

    What they do in numpy and in reading runs at the same time.
    """
    waiting = iter(jobs)
    first = list(islice(waiting, 2))
    if len(first) < 2 or THREADS < 2:
        yield from map(work, [*first, *waiting])
        return
    with ThreadPoolExecutor(THREADS) as pool:
        under_way = [pool.submit(work, job) for job in (*first, *islice(waiting, THREADS))]
        while under_way:
            yield under_way.pop(0).result()
            under_way += [pool.submit(work, job) for job in islice(waiting, 1)]
