"""Gives every inode of an ext4 image one date; else change times are those of the building.

python timestamps.py IMAGE SECONDS_SINCE_1970
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator

_FREE = re.compile(r"^  Free inodes: (.*)$", re.MULTILINE)
_COUNT = re.compile(r"^Inode count: +(\d+)$", re.MULTILINE)
_FIRST_FILE = 11


def used_inodes(dumpe2fs: str) -> Iterator[int]:
    """Yield the inodes in use, from what dumpe2fs prints; of the reserved ones the dated."""
    found = _COUNT.search(dumpe2fs)
    if not found:
        raise ValueError("no 'Inode count:' in the output of dumpe2fs; is it an ext4 image?")
    free = set()
    for ranges in _FREE.findall(dumpe2fs):
        for part in filter(None, ranges.split(", ")):
            first, _, last = part.partition("-")
            free.update(range(int(first), int(last or first) + 1))
    yield from (1, 2, 7, 8)  # bad blocks, root, room for growing, journal
    yield from (n for n in range(_FIRST_FILE, int(found[1]) + 1) if n not in free)


def commands(inodes: Iterable[int], at: int) -> Iterator[str]:
    """Yield what debugfs has to do."""
    yield f"set_current_time @{at}"
    for inode in inodes:
        for name in ("atime", "ctime", "mtime", "crtime"):
            yield f"set_inode_field <{inode}> {name} @{at}"
            yield f"set_inode_field <{inode}> {name}_extra 0"
    for name in ("mkfs_time", "lastcheck", "wtime"):
        yield f"set_super_value {name} @{at}"


def main(image: str, at: str) -> None:
    print_out = subprocess.run(
        ["dumpe2fs", image], check=True, capture_output=True, text=True
    ).stdout
    done = subprocess.run(
        ["debugfs", "-w", "-f", "-", image],
        input="\n".join(commands(used_inodes(print_out), int(at))) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    told = [line for line in done.stderr.splitlines() if not line.startswith("debugfs ")]
    if told:
        sys.exit("debugfs: " + "; ".join(told[:3]))


if __name__ == "__main__":
    main(*sys.argv[1:])
