"""What happens to every image once: its size, and the numbers a network sees."""
