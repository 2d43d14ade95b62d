"""What happens to every picture once: its size, and the numbers a network sees."""
