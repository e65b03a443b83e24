"""What the libraries below say of their own accord."""

from __future__ import annotations

import logging
import warnings


def quiet_libraries() -> None:
    """Libraries say nothing that a user of holdfast could act on."""
    import transformers

    warnings.filterwarnings("ignore", ".is_gradient_checkpointing. is deprecated", FutureWarning)  # transformers', of PEFT's own call
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("accelerate").setLevel(logging.ERROR)  # it says of a device map what was asked for
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # and this, wherever it is installed, which faster kernels it does without
