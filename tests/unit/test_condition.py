"""A device in words: every state an operator can meet, in both languages."""

import pytest

from edge.condition import state_of
from edge.messages import Health
from edge.vocabulary import CoverageReason

FINE = Health(uptime_s=1, queue=0)


def codes(health=FINE, **given):
    state, problems = state_of(health, **{"connected": True} | given)
    return state.code, [problem.code for problem in problems]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, ("ok", [])),
        ({"connected": False}, ("no_network", ["no_network"])),
        ({"waits_for_time": True}, ("clock", ["clock"])),
        ({"config_errors": 2}, ("config", ["config"])),
        ({"health": Health(uptime_s=1, queue=0, unsaved=3)}, ("disk", ["disk"])),
        ({"health": None}, ("starting", [])),
        ({"seen": CoverageReason.RESTART}, ("starting", [])),
        *(
            ({"seen": reason}, (str(reason), [str(reason)]))
            for reason in CoverageReason
            if reason is not CoverageReason.RESTART
        ),
        ({"closed": True}, ("closed", [])),
        ({"closed": True, "seen": CoverageReason.DARK}, ("closed", [])),
        ({"closed": True, "connected": False}, ("no_network", ["no_network"])),
        ({"closed": True, "seen": CoverageReason.NO_CAMERA}, ("no_camera", ["no_camera"])),
        (
            {"seen": CoverageReason.COVERED, "connected": False, "config_errors": 1},
            ("covered", ["covered", "config", "no_network"]),
        ),
    ],
)
def test_the_worst_comes_first(given, told):
    assert codes(**given) == told


def test_every_word_is_said_in_both_languages():
    for reason in CoverageReason:
        state, _ = state_of(FINE, connected=True, seen=reason)
        assert state.zh != state.en
        assert not state.zh.isascii()
        assert state.en.isascii()
