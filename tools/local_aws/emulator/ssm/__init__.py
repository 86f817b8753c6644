"""Systems Manager: documents, associations, commands."""
