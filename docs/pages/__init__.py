"""Scripts that write pages of docs/."""
