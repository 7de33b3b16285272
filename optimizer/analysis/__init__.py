"""What follows from the optimum: sensitivity, uncertainty, tables, serving. Frames in, frames out."""
