"""What people read: tables and texts made of solutions."""
