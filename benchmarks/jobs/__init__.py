"""The jobs of our own rows that are no examples."""
