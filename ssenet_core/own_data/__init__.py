"""A configuration for someone's own photographs: what `ssenet init` checks, chooses and writes."""
