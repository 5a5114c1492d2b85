"""What is installed beside the counter: packages, and what its import brings along."""

import subprocess
import sys
from importlib.metadata import distributions


def installed_packages() -> list[str]:
    """Return the names of all distributions that this interpreter finds."""
    found = {each.metadata["Name"] for each in distributions()}
    return sorted(name for name in found if name)


def imported_with(*modules: str) -> list[str]:
    """Return the top-level names that importing modules brings along, in a fresh process."""
    code = "import sys, importlib; [importlib.import_module(m) for m in sys.argv[1:]];"
    code += " print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(  # noqa: S603  our own interpreter
        [sys.executable, "-c", code, *modules],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return sorted(done.stdout.split())
