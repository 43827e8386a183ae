"""What came in: scans, where they were seen, labels, rejections, arrivals."""
