"""Reference pages that are written from the program: `make reference` writes them."""
