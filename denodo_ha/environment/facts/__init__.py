"""Facts that AWS and Denodo publish: limits, ports, memory, update effects, with their sources."""
