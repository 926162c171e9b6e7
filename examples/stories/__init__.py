"""Stories to watch: real broker, worker and desk; what lies outside of them is a double that keeps its rules."""
