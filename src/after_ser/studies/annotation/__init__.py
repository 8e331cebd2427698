"""People as the oracle: what is asked, the page on which it is answered, and when to stop."""
