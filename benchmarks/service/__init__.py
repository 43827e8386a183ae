"""`mriad up` and its workers over hours: growth, floods, trickles, a shared night."""
