"""Whether the instruments and the statistics say what is true, where the truth is known."""
