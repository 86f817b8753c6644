"""The configuration's sections as pydantic models, one module per section."""
