"""What happened in a search: the journal, and why trials failed. A report needs nothing else."""
