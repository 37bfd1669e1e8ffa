"""What people start: the command line, scenarios, studies, reports."""
