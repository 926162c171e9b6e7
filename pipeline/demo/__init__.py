"""What `tidegauge demo` shows: a small shop whose faults are scripted, and the rules that find them."""
