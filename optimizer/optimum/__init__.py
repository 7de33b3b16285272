"""Which design is best: scipy on the exact derivatives of the model, with a certificate."""
