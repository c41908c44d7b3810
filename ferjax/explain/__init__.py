"""Shows what a trained network looks at. One method a file: `method(model, variables, images, classes)`."""
