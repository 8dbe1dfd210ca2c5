"""Tables of ratings: what is read, what is refused, what is left out."""

import numpy as np
import pytest

from vetting.agreement.rating_table import read
from vetting.agreement.ratings import measure
from vetting.tables import TableFaultError, cell


def table(tmp_path, text):
    file = tmp_path / "ratings.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_levels_are_numbered_from_the_worst_and_keep_their_own_names(tmp_path):
    found = read(table(tmp_path, "answer,rater,level\na,x,3\na,y,1\nb,x,1\nb,y,3\n"))
    assert found.values == ((1, 3),)
    assert found.ratings.level.tolist() == [1, 0, 0, 1]


def test_a_name_that_was_kept_from_being_a_formula_is_the_name_again(tmp_path):
    grades = [("-a", "=x", 1), ("-a", "y", 0), ("b", "=x", 0), ("b", "y", 1), ("'c", "y", 1), ("'c", "=x", 1)]
    file = tmp_path / "GRADES.csv"
    file.write_text("answer,rater,level\n" + "".join(f"{cell(a)},{cell(r)},{level}\n" for a, r, level in grades))
    known = read(file, reference=("=x",))
    assert (set(known.raters), set(known.answers)) == ({"=x", "y"}, {"-a", "b", "'c"})


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


def test_persons_are_told_with_an_error_where_the_file_names_them(tmp_path):
    rng = np.random.default_rng(7)
    lines = ["answer,rater,level,person"]
    for person in range(30):
        shared = rng.normal()
        for answer in range(2):
            quality = shared + 0.4 * rng.normal()
            for rater, severity in (("x", 0.5), ("y", -0.5)):
                level = int(np.sum(quality - severity + 0.4 * rng.normal() > np.array([-1, 0, 1])))
                lines.append(f"{person}/{answer},{rater},{level},p{person:02d}")
    named = read(table(tmp_path, "\n".join(lines) + "\n"))
    rows = measure(named).persons
    assert [one.person for one in rows] == [f"p{n:02d}" for n in range(30)]
    given = np.bincount(named.ratings.person[named.ratings.answer], weights=named.ratings.level)
    assert np.corrcoef([one.quality for one in rows], given)[0, 1] > 0.95
    assert all(0 < one.sd < 1 for one in rows)
    nameless = read(table(tmp_path, "\n".join(line.rsplit(",", 1)[0] for line in lines) + "\n"))
    assert measure(nameless).persons == []
