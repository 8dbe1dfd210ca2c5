"""From tables of answers to a published scale: fit, judge, link, refuse with reasons, replay."""
