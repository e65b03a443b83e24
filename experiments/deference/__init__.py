"""Laboratory of decision 012: the deference part of a shift, tried on worlds whose deference is known. The package does not use it yet."""
