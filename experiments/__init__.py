"""Experiments on models whose behaviour is planted; they use the package and are no part of it."""
