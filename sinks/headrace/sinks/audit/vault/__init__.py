"""Where sealed evidence is kept: places, seals, the vault that reads them, and legal holds."""
