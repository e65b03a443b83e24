"""What benchmarks.malformed feeds to the command line, by kind of input."""
