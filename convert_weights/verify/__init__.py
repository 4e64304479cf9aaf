"""Compares a converted network with the published one."""
