"""Files of Denodo and of the system that the program changes, and the journal of the changes."""
