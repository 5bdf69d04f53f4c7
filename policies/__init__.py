"""Who should answer? Pure rules: classification, stages, stickiness, coupling, promotion."""
