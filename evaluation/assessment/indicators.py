"""The eight indicators, each a function of a centre's month and the limits of the scheme.

| kind | value | unit |
|---|---|---|
| visit_rate | visits in the opening hours per 1,000 residents and open day | visits |
| active_hours | open slots in which at least `people` were there | share |
| space_use | open slots of activity zones in which the zone was used for `used_min` | share |
| implementation | activities held of those planned | share |
| attendance | people at held activities of those expected, each activity at most full | share |
| coverage_of_audiences | audiences of the scheme that some held activity was for | share |
| praise_rate | ratings of level 4 and 5; under `few` ratings the lower Wilson bound | share |
| timeliness | mean of: slots whose mean wait was within `wait_min`; cases done in time | share |

What was seen for less than `estimated_from` of the opening time is not rated. Of a part that is
not there (a register of cases, the attendance of some activities) nothing is known: the value is
that of the rest, and the range is as wide as if the part were worth nothing, or all.
"""

from collections.abc import Callable, Mapping

from evaluation.assessment import flow, project, service
from evaluation.assessment.scheme import Indicator, Kind, Scheme, Settings
from evaluation.assessment.site import SiteMonth
from evaluation.assessment.words import Figure


def figure(of: SiteMonth, indicator: Indicator, scheme: Scheme) -> Figure:
    """Return what an indicator of a scheme says of a centre's month."""
    return _FUNCTIONS[indicator.kind](of, indicator.settings, scheme)


_FUNCTIONS: Mapping[Kind, Callable[[SiteMonth, Settings, Scheme], Figure]] = {
    Kind.VISIT_RATE: flow.visit_rate,
    Kind.ACTIVE_HOURS: flow.active_hours,
    Kind.SPACE_USE: flow.space_use,
    Kind.IMPLEMENTATION: project.implementation,
    Kind.ATTENDANCE: project.attendance,
    Kind.COVERAGE_OF_AUDIENCES: project.coverage_of_audiences,
    Kind.PRAISE_RATE: service.praise_rate,
    Kind.TIMELINESS: service.timeliness,
}
