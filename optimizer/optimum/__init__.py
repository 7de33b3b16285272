"""Find and certify the best design: scipy on the exact derivatives of the model, with a certificate."""
