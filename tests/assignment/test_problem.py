from dataclasses import replace

import numpy as np
import pytest

from assignment.problem import Problem, Queues, staff
from assignment.projection import Asks, project
from tests.assignment.worlds import small_problem

ASKS = Asks(np.zeros(2), np.full(2, 30.0), np.full(2, 10.0), np.full(2, 15.0))
FORECAST = project(np.zeros((3, 2)), np.full((3, 2), 0.1), ASKS, np.ones(3))
EVERYBODY = np.ones((3, 2, 3), dtype=bool)


def staffed(**wishes) -> Problem:
    wishes = {"hours": [10.0, 10.0, 10.0], "pay": 30.0, **wishes}
    eligible = wishes.pop("eligible", EVERYBODY)
    return staff(FORECAST, eligible, wishes.pop("queues", Queues.of([5.0, 5.0], 100.0)), **wishes)


def test_arcs_are_sorted_and_carry_the_forecast():
    problem = staffed(pay=[[30.0, 20.0, 10.0]] * 3, vetoes=[(1, 0)])

    assert problem.arcs == 15
    assert problem.starts.tolist() == [0, 6, 9, 15]
    assert problem.cost[:6].tolist() == [30.0, 20.0, 10.0] * 2
    assert problem.rate[:3] == pytest.approx([FORECAST.submitted[0, 0], 6.0, 4.0])
    assert problem.accepted[:3] == pytest.approx([FORECAST.accepted[0, 0], 0.0, 0.0])
    assert not ((problem.expert == 1) & (problem.queue == 0)).any()


def test_pins_and_earlier_hours_find_their_arcs():
    problem = staffed(pins=[(1, 1, 0, 4.0)], before=[(2, 0, 2, 3.0), (1, 0, 1, 9.0)], vetoes=[(1, 0)], switching=2.0)

    at = np.flatnonzero(problem.pinned)
    assert (problem.expert[at], problem.queue[at], problem.role[at], problem.pinned[at]) == (1, 1, 0, 4.0)
    assert problem.before.sum() == 3.0  # the vetoed arc is no more
    assert problem.promise > problem.gain.max()


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"hours": [1.0, -2.0, 3.0]}, r"hours\[1, 0\] = -2.*Maybe a sign"),
        ({"hours": [1.0, np.nan, 3.0]}, r"hours\[1, 0\] = nan.*Maybe a field was left empty"),
        ({"hours": [[1.0, 0.5]] * 3}, r"hours\[0\] fall from 1 to 0.5.*cumulative"),
        ({"hours": np.zeros((0, 1))}, r"Maybe the pool is empty"),
        ({"pay": [1.0, 2.0]}, r"pay is \(2,\).*Maybe"),
        ({"pay": -1.0}, r"cost\[0\] = -1.*Maybe a sign"),
        ({"pins": [(0, 0, 0, 11.0)]}, r"expert 0 is pinned for 11 hours up to due date 0 and has 10. Maybe"),
        ({"pins": [(7, 0, 0, 1.0)]}, r"pins: expert: there is no row \[7\] among 3 experts. Maybe"),
        ({"pins": [(1, 0, 0, 1.0)], "vetoes": [(1, 0)]}, r"expert 1 may not produce on queue 0. Maybe"),
        ({"vetoes": [(0, 5)]}, r"vetoes: queue: there is no row \[5\]"),
        ({"switching": np.nan}, r"switching = nan"),
        ({"eligible": np.ones((3, 2), bool)}, r"eligible is \(3, 2\), but must be \(E, Q, 3\)"),
        ({"queues": Queues.of([5.0, 5.0], 100.0, due=[0, 1])}, r"due: there is no row \[1\] among 1 due dates"),
    ],
)
def test_wrong_wishes_are_named_with_a_way_out(wishes, words):
    with pytest.raises(ValueError, match=words):
        staffed(**wishes)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"demand": [np.nan]}, r"demand\[0\] = nan"),
        ({"demand": [-1.0]}, r"demand\[0\] = -1.*sign"),
        ({"demand": [np.inf]}, r"demand\[0\] = inf"),
        ({"value": [1.0, 2.0]}, r"value is \(2,\), but must be \(1,\)"),
        ({"second_share": 8.0}, r"second_share\[0\] = 8, above 1.*percent"),
        ({"budget": [np.nan]}, r"budget\[0\] = nan"),
        ({"purse": [1], "budget": [1.0]}, r"budget is \(1,\)|no row \[1\]"),
    ],
)
def test_wrong_queues_are_named(numbers, words):
    with pytest.raises(ValueError, match=words):
        Queues.of(**{"demand": [1.0], "value": 1.0, **numbers})


def test_arcs_out_of_order_twice_or_idle_are_refused():
    problem = small_problem(np.random.default_rng(0))
    with pytest.raises(ValueError, match="row 1 is not after row 0"):
        replace(problem, role=problem.role[::-1], queue=problem.queue[::-1], expert=problem.expert[::-1],
                accepted=np.zeros(problem.arcs))  # fmt: skip
    with pytest.raises(ValueError, match="must get something done"):
        replace(problem, rate=np.zeros(problem.arcs))
    with pytest.raises(ValueError, match="a reviewing arc has accepted units"):
        replace(problem, accepted=np.ones(problem.arcs))


def test_a_queue_without_anybody_and_a_pool_without_arcs_are_no_errors():
    assert staffed(eligible=np.zeros((3, 2, 3), bool)).arcs == 0
