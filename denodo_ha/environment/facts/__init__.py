"""What AWS and Denodo publish: limits, ports, memory, update effects, each with its source."""
