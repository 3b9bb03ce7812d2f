"""What a run says: verdicts, figures, tables, photographs."""
