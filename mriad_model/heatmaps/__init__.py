"""Pictures and volumes that show an anomaly map."""
