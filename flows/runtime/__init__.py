"""What every flow runs in: settings, context, the engine's rules, deployments, turns."""
