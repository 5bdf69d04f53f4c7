"""Pages of the dashboard: each asks the admin API, and fills a template."""
