"""The stages of data preparation: small frozen callables with one task each."""
