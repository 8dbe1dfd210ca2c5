"""Who works when: the hours of a plan laid into days, what is due first coming first.

An expert's week is spread evenly over its seven days. The plan keeps everybody's hours by every due date, so that work
laid in the order of due dates is done by them. Of what is due together trials come first: they are to tell something.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from irt.model import Floats
from vetting.plans.scene import Scene
from vetting.records import Json

DAYS = 7


def stretches(setting: Scene, hours: Floats, trials: Floats) -> tuple[Floats, Floats]:
    """(A,) days from now on which each arc's work begins and ends; nan where there is none."""
    problem = setting.problem
    begin, end = np.full(problem.arcs, np.nan), np.full(problem.arcs, np.nan)
    a_day = np.maximum(setting.pool.week, 1e-9) / DAYS
    for e in range(problem.experts):
        mine = np.arange(problem.starts[e], problem.starts[e + 1])
        mine = mine[hours[mine] > 0]
        mine = mine[np.lexsort((mine, trials[mine] <= 0, problem.queues.due[problem.queue[mine]]))]
        done = np.cumsum(hours[mine]) / a_day[e]
        begin[mine], end[mine] = done - hours[mine] / a_day[e], done
    return begin, end


def dates(setting: Scene, hours: Floats, trials: Floats) -> dict[tuple[int, int, int], Json]:
    """{(expert, queue, role): {"from", "until"}} as days; nothing where the moment of the plan is not known."""
    if setting.at is None:
        return {}
    problem = setting.problem
    begin, end = stretches(setting, hours, trials)
    return {
        (int(problem.expert[a]), int(problem.queue[a]), int(problem.role[a])): {
            "from": str((setting.at + timedelta(days=float(begin[a]))).date()),
            "until": str((setting.at + timedelta(days=max(float(end[a]) - 1e-6, 0.0))).date()),
        }
        for a in np.flatnonzero(hours > 0)
    }
