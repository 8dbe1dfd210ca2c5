"""Tables of ratings: what is read, what is refused, what is left out."""

import pytest

from vetting.agreement.rating_table import read
from vetting.tables import TableFaultError


def table(tmp_path, text):
    file = tmp_path / "ratings.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_levels_are_numbered_from_the_worst_and_keep_their_own_names(tmp_path):
    found = read(table(tmp_path, "answer,rater,level\na,x,3\na,y,1\nb,x,1\nb,y,3\n"))
    assert found.values == ((1, 3),)
    assert found.ratings.level.tolist() == [1, 0, 0, 1]


def test_an_averaged_level_is_refused_by_line_or_split_on_request(tmp_path):
    file = table(tmp_path, "answer,rater,level\na,x,1\na,y,2.25\nb,x,3\nb,y,2\n")
    with pytest.raises(TableFaultError, match=r":3: .*between two levels.*--split"):
        read(file)
    weights = read(file, split=True).ratings.weight
    assert sorted(weights.tolist()) == [0.25, 0.75, 1, 1, 1]


def test_the_same_grade_twice_is_refused(tmp_path):
    with pytest.raises(TableFaultError, match="already on line 2"):
        read(table(tmp_path, "answer,rater,level\na,x,1\na,x,2\n"))


def test_a_constant_rater_and_a_stranger_are_left_out_with_reasons(tmp_path):
    rows = "a,x,1\na,y,2\nb,x,2\nb,y,1\na,flat,1\nb,flat,1\nz,lone,1\nzz,lone,2\n"
    found = read(table(tmp_path, "answer,rater,level\n" + rows))
    assert found.raters == ("x", "y")
    assert "one level only" in found.left_out["flat"]
    assert "shares no answer" in found.left_out["lone"]


def test_an_unknown_reference_rater_is_named(tmp_path):
    with pytest.raises(TableFaultError, match="'q' rated nothing"):
        read(table(tmp_path, "answer,rater,level\na,x,1\na,y,2\n"), reference=("q",))
