"""Standing orders to forget people, and the archive's honouring of them."""
