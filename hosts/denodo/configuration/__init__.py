"""Files of Denodo and of the operating system that the program changes, and the change journal."""
