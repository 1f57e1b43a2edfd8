"""The processor ``otlp``: what stands in agent.spans goes to a receiver by OTLP."""
