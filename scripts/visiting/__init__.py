"""How long the evaluation's pages take somebody who visits them."""
