"""What a board says of itself."""

import os

import pytest

from edge.adapters import board


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("", None),
        ("nonsense", None),
        ("0", ()),
        ("50000", ()),  # it was so since the start, and is not now
        ("50005", ("the power supply is too weak", "the board is throttled")),
        ("8", ("the board is at its temperature limit",)),
    ],
)
def test_the_flags_of_a_raspberry_pi(tmp_path, monkeypatch, flags, said):
    path = tmp_path / "get_throttled"
    path.write_text(f"{flags}\n", "ascii")
    monkeypatch.setattr(board, "_FIRMWARE", path)
    assert board.board_state().slowed_by == said


def test_a_board_that_tells_nothing(tmp_path, monkeypatch):
    for name in ("_FIRMWARE", "_MHZ"):
        monkeypatch.setattr(board, name, tmp_path / "none")
    state = board.board_state()
    assert state.mhz is None
    assert state.slowed_by is None


def test_only_the_cores_this_process_may_use():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert board.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert board.usable_cores() == len(allowed)


def test_it_has_a_name():
    assert board.board_name().strip()
