"""holdfast: what a fine-tune did to a model's backbone."""

__version__ = "0.1.0"
