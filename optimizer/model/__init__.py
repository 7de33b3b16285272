"""What a design costs and how good it gets: pure JAX, no input or output."""
