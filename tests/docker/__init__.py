"""The container files: what they name exists, and (full) the image is built and run for real."""
