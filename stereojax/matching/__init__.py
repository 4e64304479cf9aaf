"""Stereo matching: where each pixel of the left view lies in the right one."""

from stereojax.matching.choice import MATCHERS, choose
from stereojax.matching.contract import Matcher, match_both
from stereojax.matching.sgbm import Sgbm
from stereojax.matching.twice import twice

__all__ = ["MATCHERS", "Matcher", "Sgbm", "choose", "match_both", "twice"]
