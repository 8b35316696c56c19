"""A model in one HTML file: its description and weights, and the JavaScript that computes it in a browser."""
