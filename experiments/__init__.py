"""Experiments on models whose behaviour is planted; they use the package and do not belong to it."""
