"""The words: metric events, alert events, dead letters, the config, and the codecs of foreign formats. No I/O."""
