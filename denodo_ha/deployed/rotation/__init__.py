"""Taking nodes out of service and bringing them back."""
