"""What data says about the assumptions: calibration of the serving roofline, power laws of released models."""
