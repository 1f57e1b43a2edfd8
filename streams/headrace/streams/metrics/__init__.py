"""From events to panes: windowed metrics in event time, a function of the log alone."""
