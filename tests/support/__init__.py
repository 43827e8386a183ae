"""What several tests share: drawn files, small homes, servers."""
