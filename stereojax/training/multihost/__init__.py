"""Training on several processes: startup, agreement, preemption, failure."""
