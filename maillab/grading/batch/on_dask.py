"""Grade on a Dask cluster: other processes, other computers.

Goes in: the address of a scheduler, and jobs. Comes out: the results, as they come.

    dask scheduler
    dask worker tcp://SCHEDULER:8786 --nthreads 1 --nworkers auto
    maillab grade 01 submitted/ --out graded --dask tcp://SCHEDULER:8786

Rule 1: what travels is data; a worker needs this version of maillab, and no file of
        the teacher.
Rule 2: the reference is a task of its own, whose input the scheduler keeps: when the
        worker that holds it dies, another one gets it.
Rule 3: who talks to a scheduler can run code on its workers, and Dask does not ask who
        it is: it belongs into a network of its own, or behind TLS.
"""

import importlib
from collections.abc import Generator, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any, cast

from maillab import __version__
from maillab.errors import LabError
from maillab.grading.batch.job import Job, Jobs, grade_job
from maillab.grading.batch.pool import Died
from maillab.grading.results import Result
from maillab.grading.running import Bundle, Jail, Limits, Submission
from maillab.grading.running.choosing import choose_jail

PATIENCE = 10  # seconds until somebody must have answered


def grade_on_dask(address: str, jobs: Jobs) -> Iterator[tuple[int, Result | Died]]:
    """The number of a job, and its result. Raises LabError."""
    with connected(address) as client:
        distributed = _distributed()
        futures: list[Any] = client.map(
            grade_with,
            _bundles(client, jobs),
            [job.submission for job in jobs],
            ready=jobs.ready,
            origin=jobs.origin,
            limits=jobs.limits,
            pure=False,
        )
        numbers = {future.key: number for number, future in enumerate(futures)}
        for future in distributed.as_completed(futures, loop=client.loop):
            yield numbers[future.key], _answer(future)
            future.release()


def grade_with(
    bundle: Bundle, submission: Submission, *, ready: bool, origin: str, limits: Limits
) -> Result:
    """What a worker does."""
    return grade_job(Job(bundle, ready, origin, submission, limits))


def same(bundle: Bundle) -> Bundle:
    """The task that brings a reference to a worker."""
    return bundle


def _bundles(client: Any, jobs: Jobs) -> list[Any]:
    """The reference of each job: one task for all, when all have the same."""
    if not jobs.ready:
        return [job.bundle for job in jobs]
    return [client.submit(same, jobs.bundle, pure=False)] * len(jobs)


def _answer(future: Any) -> Result | Died:
    """What a future holds; an error of ours is an error of ours."""
    try:
        error: Any = future.exception()
    except CancelledError as lost:
        error = lost
    if error is None:
        return cast("Result", future.result())
    if isinstance(error, _distributed().KilledWorker):
        return Died("grading it ended the workers of Dask")
    if isinstance(error, CancelledError):
        raise LabError(
            "the scheduler of Dask has gone; what was graded is kept: "
            "type the same again to go on"
        ) from None
    raise error


# The cluster --------------------------------------------------------------------------


@contextmanager
def connected(address: str) -> Generator[Any, None, None]:
    """A client of a scheduler whose workers have this maillab. Raises LabError."""
    try:
        client: Any = _distributed().Client(
            address, timeout=PATIENCE, set_as_default=False, name="maillab"
        )
    except (OSError, ValueError) as error:
        raise LabError(
            f"--dask {address}: no scheduler answers ({error}); "
            f"start one: dask scheduler"
        ) from None
    with client:
        _demand_maillab(client, address)
        yield client


def choose_jail_on_dask(address: str, wish: Jail) -> Jail:
    """The jail that all workers have. Raises LabError."""
    with connected(address) as client:
        found: set[Jail] = set(client.run(choose_jail, wish).values())
    if len(found) > 1:
        raise LabError(
            f"--dask {address}: some workers have a jail and some have none; "
            f"say which one you want: --jail bwrap, or --jail none"
        )
    return found.pop()


def _demand_maillab(client: Any, address: str) -> None:
    """Raise LabError when there are no workers, or some have another maillab."""
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
        versions: dict[str, str] = client.run(version)
    except TimeoutError:
        raise LabError(
            f"--dask {address}: has no workers; start some: "
            f"dask worker {address} --nthreads 1 --nworkers auto"
        ) from None
    except ImportError as error:
        raise LabError(
            f"--dask {address}: a worker cannot load maillab ({error}); "
            f"install maillab[lab,dask] there"
        ) from None
    for worker, found in sorted(versions.items()):
        if found != __version__:
            raise LabError(
                f"--dask {address}: {worker} has maillab {found}, here is {__version__}"
            )


def version() -> str:
    """Of maillab, where this runs."""
    return __version__


def _distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError:
        raise LabError(
            "--dask needs the package distributed; type: pip install 'maillab[dask]'"
        ) from None
