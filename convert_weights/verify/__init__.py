"""Verifies a converted network against the published one."""
