"""Input and output files of the SPS codes."""
