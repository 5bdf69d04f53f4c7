"""Who is told when something needs somebody: alarms raised and resolved, sent to Slack, Teams or a webhook."""
