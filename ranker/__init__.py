"""Ranking maths: arrays in, arrays out; knows neither SQL nor memories."""
