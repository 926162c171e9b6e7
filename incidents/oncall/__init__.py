"""Who is on call when: spans of time, [start, end) in Unix seconds, from layers of turns and what people changed."""
