"""The stages of data preparation: small, frozen, each of use by itself."""
