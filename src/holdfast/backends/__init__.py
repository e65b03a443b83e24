"""Backends: who answers a study's prompts, this machine or a server."""
