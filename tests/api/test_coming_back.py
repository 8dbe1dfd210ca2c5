"""Whoever began comes back to their test: by the link they were sent, after a second click, in another browser."""

from __future__ import annotations

from sqlalchemy import func, select

from tests.api.front import hidden, text
from vetting.records import Sitting


def sittings(front) -> int:
    return front.facts(select(func.count(Sitting.id)))[0][0]


def test_a_form_that_is_sent_twice_begins_one_test_for_one_person_or_many(front):
    for link, name in ((front.invite(name="Ada"), ""), (front.invite(uses=20), "Bob")):
        before = sittings(front)
        with front.visitor() as visitor:
            form = {"consent": "yes", "name": name, "request_id": hidden(visitor.get(link).text, "request_id")[0]}
        places = []
        for _ in range(3):  # a second click aborts the first answer: whatever cookie came with it is lost
            with front.visitor() as again:
                sent = again.post(link, data=form)
            assert sent.status_code == 303
            places.append(sent.headers["location"])
        assert len(set(places)) == 1
        assert sittings(front) == before + 1


def test_the_link_of_one_person_leads_back_to_their_test_in_any_browser_but_not_its_maker(front, visitor, staff):
    link = front.invite(name="Ada")
    mine = front.begin(visitor, link)
    with front.visitor() as elsewhere:
        for way in (visitor, elsewhere):
            assert way.get(link).headers["location"] == mine
            assert way.post(link, data={"consent": "yes"}).headers["location"] == mine
    assert staff.get(link).status_code == 410
    assert staff.post(link, data={"consent": "yes"}).status_code == 410


def test_a_link_of_many_leads_back_in_the_browser_where_one_began_and_still_takes_others(front, visitor):
    link = front.invite(uses=2)
    mine = front.begin(visitor, link, "First")
    page = visitor.get(link)
    assert page.status_code == 200
    assert f'href="{mine}"' in page.text
    with front.visitor() as other:
        assert mine not in other.get(link).text
        theirs = front.begin(other, link, "Second")
        assert theirs != mine
        assert f'href="{theirs}"' in other.get(link).text
    full = visitor.get(link)
    assert full.status_code == 410
    assert f'href="{mine}"' in full.text
    with front.visitor() as late:
        told = late.get(link)
        assert "go on in the browser where you did" in text(told.text)
        assert "/s/" not in told.text


def test_coming_back_after_the_end_and_after_the_deletion_tells_what_there_is(front, visitor):
    link = front.invite(name="Ada")
    mine = front.begin(visitor, link)
    visitor.post(f"{mine}/delete", data={"confirm": "yes"})
    gone = visitor.get(link, follow_redirects=True)
    assert gone.status_code == 410
    assert "Your data was deleted" in text(gone.text)
