"""The processor ``audit``: what the policy calls evidence, split off into logs of its own."""
