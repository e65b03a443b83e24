"""Axes of sycophancy. The shipped ones share SycophancyEval's rows (Sharma et al. 2023, arXiv:2310.13548)."""

SYCOPHANCY_EVAL = "meg-tong/sycophancy-eval"
