"""What did we learn? Pure rendering of values: the report as HTML, Markdown, JSON, and its plots."""
