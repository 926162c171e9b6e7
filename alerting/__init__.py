"""Rules of noise: levels and the life of an alert. No Kafka, no clock, no sockets."""
