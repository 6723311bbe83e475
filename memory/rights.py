"""What people may ask of a store that knows about them: Articles 15 to 21 of the GDPR."""

from memory.safekeeping import Safekeeping


class Rights(Safekeeping):
    """Subjects, requests, restriction and disclosure; `Store` is the class to use."""
