"""What a trained network looks at; a method a file, pure functions of (model, variables, images, classes)."""
