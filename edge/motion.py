"""Where boxes go: one constant-velocity Kalman filter a coordinate, many boxes at once.

SORT (Bewley et al. 2016, https://arxiv.org/abs/1602.00763) filters centre, width and
height; noise is scaled by the person's own height (DeepSORT, Wojke et al. 2017,
https://arxiv.org/abs/1703.07402) and by real time. The coordinates do not depend on each
other, so a filter is a mean, a speed and three covariances, and no matrix is inverted.

Boxes are rows of centre x, centre y, width, height in picture-heights; times are seconds.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]

_LEAST_SIZE = 1e-3


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """Standard deviations in person-heights: of what is measured, and of what people do.

    acceleration and size_acceleration are spectral densities, heights a second to the 3/2.
    """

    position_noise_heights: float = 0.06
    size_noise_heights: float = 0.08
    acceleration_noise_heights: float = 0.4
    size_acceleration_noise_heights: float = 0.15
    birth_speed_heights_per_s: float = 1.0


class Motion:
    """The filters of all tracks; row i is one track in every array."""

    def __init__(self, settings: MotionSettings) -> None:
        """Begin without boxes."""
        s = settings
        self._measured = _by_coordinate(s.position_noise_heights, s.size_noise_heights) ** 2
        self._moved = (
            _by_coordinate(s.acceleration_noise_heights, s.size_acceleration_noise_heights) ** 2
        )
        # A size changes slower than a place.
        self._at_birth = (_by_coordinate(1.0, 0.1) * s.birth_speed_heights_per_s) ** 2
        self.boxes: Floats = np.zeros((0, 4))
        self.speeds: Floats = np.zeros((0, 4))
        self._var: Floats = np.zeros((0, 4))
        self._cov: Floats = np.zeros((0, 4))
        self._speed_var: Floats = np.zeros((0, 4))

    def predict(self, dt: float) -> None:
        """Move every box on by `dt` seconds."""
        noise = self._moved * self.boxes[:, 3:] ** 2
        self.boxes += dt * self.speeds
        np.maximum(self.boxes[:, 2:], _LEAST_SIZE, out=self.boxes[:, 2:])
        self._var += dt * (2 * self._cov + dt * self._speed_var + noise * (dt * dt / 3))
        self._cov += dt * (self._speed_var + noise * (dt / 2))
        self._speed_var += dt * noise

    def correct(self, rows: Ints, measured: Floats) -> None:
        """Draw the boxes of some rows, each at most once, towards what was measured (N, 4)."""
        cov, boxes = self._cov[rows], self.boxes[rows]
        total = self._var[rows] + self._measured * boxes[:, 3:] ** 2
        gain, speed_gain = self._var[rows] / total, cov / total
        miss = measured - boxes
        self.boxes[rows] = boxes + gain * miss
        self.speeds[rows] += speed_gain * miss
        self._var[rows] *= 1 - gain
        self._cov[rows] = (1 - gain) * cov
        self._speed_var[rows] -= speed_gain * cov

    def append(self, measured: Floats) -> None:
        """Begin filters at measured boxes (N, 4), standing still for all that is known."""
        squared = measured[:, 3:] ** 2
        self.boxes = np.concatenate((self.boxes, measured))
        self.speeds = np.concatenate((self.speeds, np.zeros_like(measured)))
        self._var = np.concatenate((self._var, self._measured * squared))
        self._cov = np.concatenate((self._cov, np.zeros_like(measured)))
        self._speed_var = np.concatenate((self._speed_var, self._at_birth * squared))

    def keep(self, rows: Bools) -> None:
        """Forget the other rows."""
        self.boxes, self.speeds = self.boxes[rows], self.speeds[rows]
        self._var, self._cov = self._var[rows], self._cov[rows]
        self._speed_var = self._speed_var[rows]


def _by_coordinate(place: float, size: float) -> Floats:
    return np.array([place, place, size, size])
