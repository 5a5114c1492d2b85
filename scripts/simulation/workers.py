"""The worker processes as the fleet sees them: orders go out, progress and results come in."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from edge.config import broker_section

from .options import Options
from .worker import Progress, Result, work

END_S = 5.0


class Workers:
    """All of them together. They end by themselves when nobody speaks to them any more."""

    def __init__(self, options: Options, broker_url: str) -> None:
        """Start them; each makes its share of the devices, which takes a while."""
        context = multiprocessing.get_context("spawn")
        broker = broker_section(broker_url)
        self._pipes: list[Connection] = []
        self._processes: list[BaseProcess] = []
        self.latest = [Progress() for _ in range(options.workers)]
        self.results: dict[int, Result] = {}
        for number in range(options.workers):
            here, there = context.Pipe()
            indexes = range(number, options.devices, options.workers)
            process = context.Process(
                target=work, args=(there, options, broker, indexes), daemon=True
            )
            process.start()
            there.close()
            self._pipes.append(here)
            self._processes.append(process)

    def tell(self, what: str, value: float = 0.0) -> None:
        """Give all of them an order."""
        for pipe in self._pipes:
            pipe.send((what, value))

    def listen(self) -> None:
        """Take what they have sent. Raises RuntimeError when one of them is gone."""
        for number, pipe in enumerate(self._pipes):
            try:
                while number not in self.results and pipe.poll():
                    said = pipe.recv()
                    if isinstance(said, Result):
                        self.results[number] = said
                    else:
                        self.latest[number] = said
            except (EOFError, OSError) as error:
                raise RuntimeError("a worker process has ended before its time") from error

    def all_say(self, predicate: Callable[[Progress], bool]) -> bool:
        """Whether something holds for every one of them."""
        return all(predicate(progress) for progress in self.latest)

    def sum(self, name: str) -> int:
        """Add up one number of all of them."""
        return sum(getattr(progress, name) for progress in self.latest)

    def close(self) -> None:
        """End them."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(END_S)
            if process.is_alive():
                process.kill()
                process.join()
