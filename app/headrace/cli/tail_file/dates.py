"""The days of records that say only the time of day, as those of agentao.log do."""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo
from typing import Final

BACK: Final = 3600.0
"""Seconds that the clock goes back when midnight has passed, at least. Less is threads that
overtook each other, or a clock that was set."""
_DAY: Final = 86_400.0


class Days:
    """Follows the time of day through one incarnation of a file.

    ``day`` is that of the last record (ordinal), 0 where nothing is known yet.
    """

    def __init__(self, zone: tzinfo | None, day: int = 0, clock: float = 0.0) -> None:
        self._zone = zone
        self.day = day
        self.clock = clock

    def known(self, clocks: list[float], modified: float | None) -> list[float]:
        """Return the times, in seconds since 1970, of records in their order.

        ``modified``: when the file was last written (seconds since 1970), where the last of the
        records is the file's last. It says which day that is; the others' days follow from it.
        """
        days, day, before = [], self.day, self.clock
        for clock in clocks:
            day += before - clock > BACK
            before = clock
            days.append(day)
        if modified is not None and clocks:
            last = self._day_of(modified, clocks[-1])
            # A silence of whole days is not seen in the clock: the records came after it.
            late = last - days[-1]
            if late > 0 or self.day == 0:
                days = [one + late for one in days]
        self.day, self.clock = (days[-1], clocks[-1]) if days else (self.day, self.clock)
        return [self._time(day, clock) for day, clock in zip(days, clocks, strict=True)]

    def _day_of(self, modified: float, clock: float) -> int:
        when = datetime.fromtimestamp(modified, self._zone)
        spent = when.hour * 3600 + when.minute * 60 + when.second
        return when.date().toordinal() - (clock > spent + BACK)

    def _time(self, day: int, clock: float) -> float:
        midnight = datetime.combine(date.fromordinal(max(day, 1)), datetime.min.time(), self._zone)
        return (midnight + timedelta(seconds=min(clock, _DAY))).timestamp()
