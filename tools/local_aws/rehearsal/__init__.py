"""The rehearsal: plays the drill's scenarios on the living local AWS, and compares the two."""
