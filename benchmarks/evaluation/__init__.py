"""What recipes find on public sets, and what training on more than healthy scans adds."""
