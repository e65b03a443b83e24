"""Known truth through the whole chain: scripted responders with planted behaviour, and simulated studies with known effects."""

from holdfast.calibration.run import LONG, QUICK, Settings, calibrate

__all__ = ["LONG", "QUICK", "Settings", "calibrate"]
