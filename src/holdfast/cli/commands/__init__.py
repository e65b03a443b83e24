"""Commands, discovered by file name: module NAME holds the function NAME, whose first line is its summary, and an EXAMPLE."""
