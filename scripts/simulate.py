"""A fleet of simulated devices against a broker on this machine; see docs/simulate.md."""

import signal
import sys

from simulation.fleet import Fleet
from simulation.machine import allow_files
from simulation.options import Options, parse
from simulation.report import Report, text_of
from simulation.services import Services

from edge.errors import LobbyCountError


def run(options: Options) -> Report:
    """Run the fleet and return what came of it."""
    with Services(options) as services:
        return Fleet(options, services).run()


def main() -> int:
    options = parse()
    # Blocked, not handled, so that Ctrl-C does not end the broker before its clients.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    too_few = allow_files(options.devices)
    if too_few is not None:
        print(f"scripts/simulate: {too_few}", file=sys.stderr)
        return 2
    try:
        report = run(options)
    except (LobbyCountError, RuntimeError) as error:
        print(f"scripts/simulate: {error}", file=sys.stderr)
        return 1
    print(report.as_json() if options.as_json else text_of(report))
    return 0 if report.is_exact else 1


if __name__ == "__main__":
    sys.exit(main())
