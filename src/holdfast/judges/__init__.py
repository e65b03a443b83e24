"""Optional judges behind any OpenAI-compatible server, believed only after they agree with labels."""
