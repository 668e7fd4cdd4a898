"""What `make check` looks at beside the code: the dependencies, and secrets that slipped in."""
