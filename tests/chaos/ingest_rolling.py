"""Rolls days up without a rest, a few at a time: python -m tests.chaos.ingest_rolling DATABASE."""

import sys
import threading
from contextlib import closing

from evaluation.database import Database
from evaluation.errors import StoreError
from evaluation.rollup import RollUp

DAYS_AT_A_TIME = 5
REST_S = 0.005


def run(url: str) -> None:
    with closing(Database(url)) as database:
        roll_up = RollUp(database)
        while True:
            try:
                made = roll_up.step(DAYS_AT_A_TIME)
            except StoreError:
                made = 0
            if not made:
                threading.Event().wait(REST_S)


if __name__ == "__main__":
    run(sys.argv[1])
