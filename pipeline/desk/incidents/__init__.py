"""The desk's shell around `incidents/`: where they are kept, when they are looked at, what they make the desk do."""
