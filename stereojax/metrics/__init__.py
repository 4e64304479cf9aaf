"""How good a picture is, beside the true one; where a mask says so."""
