"""Questions that take more than one training, or a second look at one, and answers that hold."""
