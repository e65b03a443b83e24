"""Organisms pretrained with planted deference: `python -m experiments.organisms --out DIR [--page docs/organisms.md]`."""
