"""Known truth through the whole chain: scripted responders with planted behaviour, and simulated studies with known effects."""

from holdfast_calibration.records import Settings
from holdfast_calibration.run import LONG, QUICK, calibrate

__all__ = ["LONG", "QUICK", "Settings", "calibrate"]
