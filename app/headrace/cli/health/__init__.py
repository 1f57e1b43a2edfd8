"""How everything is: what ``status`` and ``doctor`` look at."""
