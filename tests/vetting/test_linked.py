"""A scale moved onto another by common items: what was moved away comes back, and nothing else changes."""

import numpy as np
import pytest
from typer.testing import CliRunner

from api.cli import app
from vetting.calibration.calibrate import Prior, ScaleFile, ScaleItem
from vetting.calibration.linked import Apart, linked

SKILLS = ["a", "b"]


def published():
    rng = np.random.default_rng(3)
    items = {}
    for n in range(16):
        slopes = {"b" if n % 2 else "a": float(rng.uniform(0.8, 2.0))}
        if n == 15:
            slopes = {"b": 0.9, "a": 0.5}
        cuts = sorted(rng.normal(0, 1, 2 if n % 3 == 0 else 1).tolist(), reverse=True)
        items[f"i{n}"] = ScaleItem(discrimination=slopes, thresholds=cuts)
    return ScaleFile(skills=SKILLS, prior=Prior(mean=[0.0, 0.0], covariance=[[1.0, 0.5], [0.5, 1.0]]), items=items)


def elsewhere(scale, wide, shift):
    """The same items as another fit would have them: θ_old = (θ - shift) / wide."""
    rows = {}
    for key, item in scale.items.items():
        moved = sum(a * shift[SKILLS.index(s)] for s, a in item.discrimination.items())
        slopes = {skill: a * wide[SKILLS.index(skill)] for skill, a in item.discrimination.items()}
        rows[key] = ScaleItem(discrimination=slopes, thresholds=[d + moved for d in item.thresholds])
    return scale.model_copy(update={"items": rows})


@pytest.mark.parametrize("by", ["haebara", "mean-sigma"])
def test_a_scale_moved_away_comes_back(by):
    there = published()
    back, how, common = linked(elsewhere(there, [1.3, 0.8], [0.4, -0.7]), there, by)
    assert np.allclose(how.scale, [1.3, 0.8], atol=1e-3)
    assert np.allclose(how.shift, [0.4, -0.7], atol=1e-3)
    assert len(common) == 16
    for key, item in there.items.items():
        assert back.items[key].discrimination == pytest.approx(item.discrimination, abs=2e-3)
        assert back.items[key].thresholds == pytest.approx(item.thresholds, abs=2e-3)


def test_scales_that_share_too_little_are_refused():
    there = published()
    stranger = there.model_copy(update={"items": {f"x{key}": item for key, item in there.items.items()}})
    with pytest.raises(Apart, match="share 0 items"):
        linked(stranger, there)


def test_the_command_writes_the_moved_scale_or_says_what_is_wrong(tmp_path):
    there, here, target = tmp_path / "there.json", tmp_path / "here.json", tmp_path / "moved.json"
    there.write_text(published().model_dump_json(), encoding="utf-8")
    here.write_text(elsewhere(published(), [1.3, 0.8], [0.4, -0.7]).model_dump_json(), encoding="utf-8")
    ran = CliRunner().invoke(app, ["link", str(here), "--to", str(there), "--out", str(target)])
    assert ran.exit_code == 0
    assert "16 items in common" in ran.stdout
    assert ScaleFile.model_validate_json(target.read_text(encoding="utf-8")).items.keys() == published().items.keys()
