"""Ways to degrade a test clip: noise, reverberation, narrow band, coding."""
