"""Which thermometer is the processor's, and what is hot on its board."""

import pytest

from edge.adapters.thermometer import hot_c, temperature_c

PI = "Raspberry Pi 5 Model B Rev 1.0, Cortex-A76"
PC = "Box N100, Intel(R) N100"


@pytest.fixture
def board(tmp_path):
    """Make zones of the kernel's in a folder: type, temperature and trip points."""

    def make(*zones):
        for number, (kind, milli_c, trips) in enumerate(zones):
            zone = tmp_path / f"thermal_zone{number}"
            zone.mkdir()
            (zone / "type").write_text(f"{kind}\n", "ascii")
            (zone / "temp").write_text(f"{milli_c}\n", "ascii")
            for index, (trip, trip_milli_c) in enumerate(trips):
                (zone / f"trip_point_{index}_type").write_text(f"{trip}\n", "ascii")
                (zone / f"trip_point_{index}_temp").write_text(f"{trip_milli_c}\n", "ascii")
        return tmp_path

    return make


WIFI = ("iwlwifi_1", 41_000, [("passive", 60_000), ("hot", 70_000)])
JETSON = ("cpu-thermal", 80_000, [("active", 51_000), ("passive", 99_000), ("critical", 104_500)])
ROCKCHIP = ("soc-thermal", 60_000, [("passive", 85_000), ("passive", 75_000)])
UNSET = ("x86_pkg_temp", 80_000, [("passive", 0), ("passive", -274_000)])
ACPI = ("acpitz", 27_800, [("critical", 119_000), ("hot", 100_000)])


@pytest.mark.parametrize(
    ("zones", "felt_c"),
    [
        ([WIFI, JETSON], 80.0),
        ([ACPI, WIFI, UNSET], 80.0),
        ([WIFI, ACPI], 27.8),
        ([ROCKCHIP, JETSON], 80.0),
        ([*[WIFI] * 11, ("cpu_thermal", 50_464, [])], 50.464),
        ([("soc_dts0", "", [])], None),
        ([WIFI, ("nvme", 55_000, [])], 41.0),
        ([], None),
    ],
)
def test_the_processors_zone_is_read(board, zones, felt_c):
    assert temperature_c(board(*zones)) == felt_c


@pytest.mark.parametrize(
    ("zones", "name", "limit_c"),
    [
        ([("cpu-thermal", 60_000, [("critical", 110_000), ("active", 50_000)])], PI, 78.0),
        ([], PI, 78.0),
        ([WIFI], PI, 78.0),
        ([JETSON], "NVIDIA Jetson Orin Nano", 97.0),
        ([ROCKCHIP], "Radxa ROCK 5B", 73.0),
        ([ACPI], PC, 98.0),
        ([ACPI, UNSET], PC, None),
        ([WIFI], PC, None),
        ([], PC, None),
    ],
)
def test_what_is_hot_is_what_the_kernel_says_and_78_on_a_raspberry_pi(board, zones, name, limit_c):
    assert hot_c(name, board(*zones)) == limit_c


def test_a_zone_that_falls_silent(board):
    thermal = board(JETSON)
    assert temperature_c(thermal) == 80.0
    (thermal / "thermal_zone0" / "temp").unlink()
    assert temperature_c(thermal) is None
