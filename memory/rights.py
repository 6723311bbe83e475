"""What people may ask of a store that knows about them: Articles 15 to 21 of the GDPR."""

from memory.people import People


class Rights(People):
    """Subjects, requests, restriction and disclosure; `Store` is the class to use."""
