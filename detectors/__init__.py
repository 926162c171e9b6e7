"""Statistics on struct-of-arrays state: one file a detector, one line each in KINDS. No Kafka, no clock, no I/O."""
