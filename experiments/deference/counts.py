"""What is kept of a part of the calibration."""

from pydantic import BaseModel


class Counts(BaseModel, frozen=True):
    """Of some studies of one family in one world: calls by "axis/adapter/raised" or ".../lowered", and families with a false one."""

    response: str
    family: str
    studies: int
    false_families: int
    behaviour_families: int  # in which a rule on behaviour alone would call an adapter without deference
    calls: dict[str, int]
    gain: tuple[float, ...]  # mean change of accuracy of each adapter, a share
