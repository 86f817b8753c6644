"""Operations that take nodes out of service and bring them back."""
