"""Stereo matching: estimates the disparity between a left and a right view."""

from stereojax.matching.choice import MATCHERS, choose_matcher
from stereojax.matching.contract import Matcher, match_both
from stereojax.matching.sgbm import Sgbm
from stereojax.matching.tee import bounded_tee

__all__ = [
    "MATCHERS",
    "Matcher",
    "Sgbm",
    "bounded_tee",
    "choose_matcher",
    "match_both",
]
