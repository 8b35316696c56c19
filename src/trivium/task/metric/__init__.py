"""How right answers, labels, rankings and spans are."""
