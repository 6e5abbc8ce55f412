"""What tests share."""

NAME = "Ada"
