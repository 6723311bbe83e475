"""What of the erased a model still shows, by every means that is tried.

Each test is one function: a model in, a figure out. No figure of one test stands for another:
silence is not ignorance, and ignorance is not absence.
"""
