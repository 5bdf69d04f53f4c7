"""The dashboard: pages for the people who drive the migration, made from the admin API and nothing else."""
