"""The desk's shell around `incidents/remedies`: acts in the database, who runs them, who may stop them."""
