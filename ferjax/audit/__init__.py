"""What is wrong with a built data set: copies, leaks, bad images, odd counts. One page and one JSON file."""
