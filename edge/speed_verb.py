"""`lobbycount doctor speed`: every way this board can look at a picture, one after the other."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from edge.adapters.board import board_name, board_state, usable_cores
from edge.adapters.canvas import Canvas
from edge.adapters.detectors import open_detector, providers_of
from edge.adapters.drawn_people import NETWORK, SIZE, drawn_people, known_answer
from edge.adapters.model_catalog import Catalog
from edge.adapters.model_entry import ModelEntry
from edge.agreement import disagreement
from edge.errors import ModelError, ProviderError
from edge.ports import Detector
from edge.providers import Provider
from edge.regions import Interest
from edge.speed_advice import Timing, advise
from edge.speed_report import SpeedReport
from edge.vocabulary import Detections, Frame

MOST_THREADS = 16
_FEWEST, _MOST = 5, 60
"""Pictures that are timed in each way, after two that are not."""
_THREADLESS = (Provider.CUDA, Provider.TENSORRT)


@dataclass(frozen=True, slots=True)
class _Way:
    """One line of the table, still to be measured."""

    entry: ModelEntry
    provider: Provider
    threads: int


def measure_speed(
    catalog: Catalog,
    model: str | None,
    *,
    interest: Interest,
    size: tuple[int, int],
    budget_s: float,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> SpeedReport:
    """Time every installed provider and every number of threads, within about `budget_s`.

    model: the one in use; None is the catalog's default. Measured beside it is what else is
    made of the same network. size: width and height of the camera's pictures.
    Raises ModelError when there is no such model or its file is not right.
    """
    wanted, end = catalog.entry(model), time.monotonic() + budget_s
    before, started = board_state(), time.monotonic()
    ways = list(_ways(catalog, wanted, usable_cores()))
    looking = _Looking(Frame(0.0, 0, drawn_people(*size)), interest)
    references = _References(catalog)
    timings = []
    for index, way in enumerate(ways):
        progress(index, len(ways))
        share_s = (end - time.monotonic()) / (len(ways) - index)
        timings.append(_timed(way, references, looking, share_s))
    canvas = Canvas(wanted.input)
    canvas.attend(interest)
    canvas.draw(looking.picture.image)
    return SpeedReport(
        board=board_name(),
        cores=usable_cores(),
        input_size=canvas.size,
        before=before,
        after=board_state(),
        took_s=time.monotonic() - started,
        timings=tuple(timings),
        advice=advise(timings),
    )


def thread_counts(cores: int) -> list[int]:
    """Return 1, 2, 3, 4 and then every half as many again, up to all cores."""
    most = min(cores, MOST_THREADS)
    return [*(count for count in (1, 2, 3, 4, 6, 8, 12) if count < most), most]


def _ways(catalog: Catalog, wanted: ModelEntry, cores: int) -> Iterator[_Way]:
    others = [
        entry
        for name, entry in catalog.entries.items()
        if name in NETWORK and entry != wanted and catalog.path(entry).is_file()
    ]
    for entry in (wanted, *others):
        for provider in providers_of(entry):
            for threads in [1] if provider in _THREADLESS else thread_counts(cores):
                yield _Way(entry, provider, threads)


@dataclass(frozen=True, slots=True)
class _Looking:
    """What is timed: a picture, and what of it is looked at."""

    picture: Frame
    interest: Interest


class _References:
    """Whom each model should find in the drawn picture."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.picture = Frame(0.0, 0, drawn_people(*SIZE))
        self._own: dict[str, Detections] = {}

    def of(self, way: _Way) -> Detections:
        """Return the network's known answer, or what the model finds on the processor."""
        name = way.entry.name
        if name in NETWORK:
            return known_answer()
        if name not in self._own:
            plain = open_detector(self.catalog, way.entry)
            self._own[name] = plain.detect(self.picture)
        return self._own[name]


def _timed(way: _Way, references: _References, looking: _Looking, share_s: float) -> Timing:
    end = time.monotonic() + share_s
    timing = Timing(way.entry.name, way.provider, way.threads, trouble="there was no time for it")
    if share_s <= 0:
        return timing
    try:
        detector = open_detector(references.catalog, way.entry, way.provider, way.threads)
        found = detector.detect(references.picture)
        trouble = disagreement(references.of(way), found, way.entry.sure_score)
        detector.attend(looking.interest)
        walls, cpu_ms = _looked(detector, looking.picture, end)
    except (ModelError, ProviderError) as error:
        return replace(timing, trouble=str(error))
    except Exception as error:  # The runtimes' errors have no root class of their own.
        return replace(timing, trouble=_first_line(error))
    return Timing(timing.model, way.provider, way.threads, median(walls), cpu_ms, trouble)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _looked(detector: Detector, picture: Frame, end: float) -> tuple[Sequence[float], float]:
    """Return the wall time of each look, and the mean processor time, in milliseconds."""
    for _ in range(2):
        detector.detect(picture)
    walls: list[float] = []
    began = time.process_time()
    while len(walls) < _FEWEST or (len(walls) < _MOST and time.monotonic() < end):
        since = time.perf_counter()
        detector.detect(picture)
        walls.append(1000 * (time.perf_counter() - since))
    return walls, 1000 * (time.process_time() - began) / len(walls)
