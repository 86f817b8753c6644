"""Monthly cost of the resources in templates, from list prices with their sources."""
