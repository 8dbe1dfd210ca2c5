"""Why a question was asked, in a recruiter's words."""

import pytest

from api.views import purposes

PLAIN = {"gain": 0.1, "minutes": 2.0, "cost": 2.0, "settles": 0.0, "for": "measurement"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, []),
        ({"settles": 0.06}, ["Settling the bars was 60% of what it was asked for."]),
        ({"settles": 0.001}, []),
        ({"cost": 2.4}, ["It is shown often, so it counted as 0.4 minutes longer."]),
        ({"cost": 1.5}, ["It is shown seldom, so it counted as 0.5 minutes shorter."]),
        ({"for": "content"}, ["The role wants this many questions of its domain, whatever else is known."]),
    ],
)
def test_a_question_says_what_it_was_for_besides_knowing_skills_better(more, said):
    assert purposes(PLAIN | more) == said


def test_a_record_older_than_these_reasons_says_none():
    assert purposes({"gain": 0.1, "minutes": 2.0, "information": 0.1, "skills": {}, "runners_up": []}) == []
