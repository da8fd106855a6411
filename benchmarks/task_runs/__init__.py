"""Classification tasks, and trainings on them under one protocol, for benchmarks/tasks.py."""
