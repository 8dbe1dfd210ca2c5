"""Small staffing problems drawn at random, for tests."""

import numpy as np

from assignment.problem import Problem, Queues
from assignment.projection import PRODUCE


def small_problem(rng, experts=4, queues=3, dates=1, *, keep=0.6, budgets=True, pins=False, several=False):
    """A random problem with every kind of row in it, some of them binding."""
    allowed = rng.random((experts, queues, 3)) < keep
    allowed[0, 0, 0] = True
    expert, queue, role = np.nonzero(allowed)
    arcs = len(expert)
    rate = rng.uniform(0.5, 4.0, arcs)
    hours = np.cumsum(rng.uniform(0.0, 10.0, (experts, dates)), axis=1)
    share = rng.choice([0.0, 0.3, 1.0, 2.0] if several else [0.0, 0.3, 1.0], queues)
    pinned = np.where(rng.random(arcs) < 0.2, rng.uniform(0, 1, arcs) * hours[expert, 0] / (3 * queues), 0.0)
    return Problem(
        queues=Queues.of(
            rng.uniform(0, 30, queues),
            rng.uniform(20, 100, queues),
            review_share=share,
            second_share=rng.choice([0.0, 0.2, 1.0], queues),
            due=rng.integers(dates, size=queues),
            purse=rng.permutation(np.arange(queues) // 2) if budgets else None,
            budget=rng.uniform(50, 400, (queues + 1) // 2) if budgets else None,
        ),
        hours=hours,
        expert=expert,
        queue=queue,
        role=role,
        rate=rate,
        accepted=np.where(role == PRODUCE, rate * rng.uniform(0.3, 1, arcs), 0.0),
        cost=rng.uniform(5, 40, arcs),
        quality=rng.uniform(0.8, 1.2, arcs),
        pinned=pinned if pins else np.zeros(arcs),
        before=np.zeros(arcs),
    )
