"""How good detection is, on labelled series and on faults put into real ones."""
