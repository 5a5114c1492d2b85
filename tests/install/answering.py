"""Run a command on a terminal and answer each question with the same words; for test_backend.

python3 answering.py WORDS COMMAND…
"""

import os
import pty
import sys

words, *command = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
seen, answered = b"", 0
while True:
    try:
        seen += os.read(terminal, 1024)
    except OSError:  # the command has ended
        break
    if seen.count(b": ") > answered:
        os.write(terminal, words.encode() + b"\n")
        answered += 1
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
